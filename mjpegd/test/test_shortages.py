"""`mjpegd.sources.shortages`: what cannot be opened just now is not broken."""

import errno
from fractions import Fraction
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override

from mjpegd.errors import MediaBusyError, MediaError
from mjpegd.sources.images import ImageFolder
from mjpegd.sources.library import Library
from mjpegd.sources.reading import FilmFile
from mjpegd.sources.shortages import is_shortage, refusal
from mjpegd.test.descriptors import none_left
from mjpegd.test.fakes import at_once
from mjpegd.test.pictures import picture

NAMES = ("1.jpg", "2.jpg")


class RefusalTests(SynchronousTestCase):
    def test_what_others_give_back_is_a_shortage(self) -> None:
        for number in (errno.EMFILE, errno.ENFILE, errno.ENOMEM):
            error = OSError(number, "too many")

            self.assertTrue(is_shortage(error))
            self.assertIsInstance(refusal("x", error), MediaBusyError)

    def test_all_else_is_the_files_fault(self) -> None:
        for number in (errno.EACCES, errno.EIO, errno.ENOENT):
            error = OSError(number, "no")

            self.assertFalse(is_shortage(error))
            self.assertIs(type(refusal("x", error)), MediaError)

    def test_it_says_what_and_why(self) -> None:
        error = OSError(errno.EMFILE, "Too many open files")

        self.assertEqual(str(refusal("'a' cannot be opened", error)), WORDS)


WORDS = "'a' cannot be opened: Too many open files"


class NoDescriptorsTests(SynchronousTestCase):
    @override
    def setUp(self) -> None:
        self.root = Path(self.mktemp()).absolute()
        (self.root / "shots").mkdir(parents=True)
        for name in NAMES:
            (self.root / "shots" / name).write_bytes(picture(1))
        self.library = Library(self.root, Fraction(25), at_once)

    def shots(self) -> ImageFolder:
        opened = ImageFolder.open(self.root / "shots", self.root, "shots", Fraction(25), at_once)
        return self.successResultOf(opened)

    def test_a_film_is_busy(self) -> None:
        with none_left():
            self.assertRaises(MediaBusyError, FilmFile, self.root / "shots" / NAMES[0])

    def test_a_folder_of_pictures_is_busy(self) -> None:
        with none_left():
            located = self.library.locate("shots")
            opened = ImageFolder.open(
                self.root / "shots", self.root, "shots", Fraction(25), at_once
            )

        self.failureResultOf(located, MediaBusyError)
        self.failureResultOf(opened, MediaBusyError)

    def test_a_picture_is_busy_and_read_afterwards(self) -> None:
        film = self.shots()
        with none_left():
            read = film.read(1)

        self.failureResultOf(read, MediaBusyError)
        self.assertEqual(self.successResultOf(film.read(1)), picture(1))
