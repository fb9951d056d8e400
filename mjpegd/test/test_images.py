"""`mjpegd.sources.images`: a folder of numbered pictures as a film."""

import os
from fractions import Fraction
from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override
from zope.interface.verify import verifyObject

from mjpegd.errors import MediaChangedError, MediaError, MediaNotFoundError
from mjpegd.interfaces import IFrameSource
from mjpegd.sources import images
from mjpegd.sources.images import ImageFolder
from mjpegd.test.fakes import at_once
from mjpegd.test.pictures import number_of, picture


class ImageFolderTestCase(SynchronousTestCase):
    @override
    def setUp(self) -> None:
        self.root = Path(self.mktemp()).absolute()
        self.folder = self.root / "shots"
        self.folder.mkdir(parents=True)

    def put(self, name: str, number: int) -> Path:
        path = self.folder / name
        path.write_bytes(picture(number))
        return path

    def opening(self) -> Deferred[ImageFolder]:
        return ImageFolder.open(self.folder, self.root, "shots", Fraction(10), at_once)

    def open(self, *names: str) -> ImageFolder:
        """A film whose pictures with these names bear the numbers from 0."""
        for number, name in enumerate(names):
            self.put(name, number)
        return self.successResultOf(self.opening())

    def numbers(self, film: ImageFolder) -> list[int]:
        return [
            number_of(self.successResultOf(film.read(number))) for number in range(film.times.count)
        ]


class OpenTests(ImageFolderTestCase):
    def test_is_a_frame_source(self) -> None:
        film = self.open("1.jpg", "2.jpg")

        verifyObject(IFrameSource, film)
        self.assertEqual("folder of pictures", film.kind)
        self.assertTrue(film.complete)
        self.assertFalse(film.still or film.timed)
        self.assertIsNone(self.successResultOf(film.grown()))
        self.assertIsNone(film.read_now(0))
        film.close()

    def test_time_of_pictures_is_that_of_the_rate(self) -> None:
        film = self.open("1.jpg", "2.jpg", "3.jpg")

        self.assertEqual((3, Fraction(10)), (film.times.count, film.times.rate))
        self.assertEqual(0.2, film.times.time_of(2))

    def test_natural_order_of_names(self) -> None:
        for names in (
            ("img1.jpg", "img2.JPG", "img3.jpeg", "img10.Jpg", "img100.jpg"),
            ("frame0009.jpg", "frame0010.jpg", "frame0011.jpg"),
            ("01.jpg", "1.jpg", "2.jpg", "010.jpg"),
            ("2024-9-30_8.jpg", "2024-10-1_7.jpg", "2024-10-1_11.jpg"),
            ("Take1 a.jpg", "take1 B.jpg", "TAKE2.jpg"),
            ("映画2.jpg", "映画10.jpg"),
        ):
            film = self.open(*names)

            self.assertEqual(list(range(len(names))), self.numbers(film))
            for name in names:
                (self.folder / name).unlink()

    def test_many_names_are_in_order(self) -> None:
        self.patch(images, "_SORTED_AT_ONCE", 3)

        film = self.open(*(f"img{number}.jpg" for number in range(20)))

        self.assertEqual(list(range(20)), self.numbers(film))

    def test_what_is_no_numbered_picture_is_left_out(self) -> None:
        (self.folder / "dir3.jpg").mkdir()
        (self.folder / "empty4.jpg").touch()
        os.mkfifo(self.folder / "pipe5.jpg")
        (self.folder / "link6.jpg").symlink_to("missing")

        film = self.open("img0.jpg", "img1.jpg", ".img2.jpg", "img3.png", "cover.jpg", "4.jpg.txt")

        self.assertEqual([0, 1], self.numbers(film))

    def test_pictures_too_large_for_a_frame_are_left_out(self) -> None:
        self.patch(images, "MAX_FRAME_BYTES", 100_000)
        with (self.folder / "img0.jpg").open("wb") as file:
            file.truncate(100_001)

        film = self.open("img1.jpg", "img2.jpg")

        self.assertEqual([0, 1], self.numbers(film))

    def test_links_within_the_root_only(self) -> None:
        outside = Path(self.mktemp()).absolute()
        outside.write_bytes(picture(9))
        (self.folder / "img2.jpg").symlink_to("../elsewhere")
        (self.root / "elsewhere").write_bytes(picture(2))
        (self.folder / "img3.jpg").symlink_to(outside)

        film = self.open("img0.jpg", "img1.jpg")

        self.assertEqual([0, 1, 2], self.numbers(film))

    def test_number_of_pictures_is_bounded(self) -> None:
        self.patch(images, "MAX_PICTURES", 2)

        self.assertEqual(2, self.open("1.jpg", "2.jpg", "3.jpg").times.count)

    def test_no_pictures(self) -> None:
        self.put("cover.jpg", 1)

        self.failureResultOf(self.opening(), MediaNotFoundError)

    def test_no_folder(self) -> None:
        self.folder.rmdir()

        self.failureResultOf(self.opening(), MediaNotFoundError)

    def test_file_instead_of_a_folder(self) -> None:
        self.folder.rmdir()
        self.folder.write_bytes(picture(1))

        self.failureResultOf(self.opening(), MediaError)


class ChangeTests(ImageFolderTestCase):
    @override
    def setUp(self) -> None:
        super().setUp()
        self.film = self.open("1.jpg", "2.jpg")

    def test_rewritten_picture_is_shown_as_it_is_now(self) -> None:
        self.put("2.jpg", 77)

        self.assertEqual([0, 77], self.numbers(self.film))

    def test_picture_that_was_added_is_for_the_next_film(self) -> None:
        self.put("3.jpg", 2)

        self.assertIsNone(self.successResultOf(self.film.check()))
        self.assertEqual([0, 1], self.numbers(self.film))
        self.assertEqual([0, 1, 2], self.numbers(self.successResultOf(self.opening())))

    def test_picture_that_was_removed(self) -> None:
        (self.folder / "2.jpg").unlink()

        self.failureResultOf(self.film.read(1), MediaChangedError)
        self.assertEqual(0, number_of(self.successResultOf(self.film.read(0))))

    def test_folder_that_was_removed(self) -> None:
        self.folder.rename(self.root / "old")

        self.failureResultOf(self.film.check(), MediaChangedError)
        self.failureResultOf(self.film.read(0), MediaChangedError)

    def test_folder_that_was_replaced(self) -> None:
        self.folder.rename(self.root / "old")
        self.folder.mkdir()
        self.open("1.jpg", "2.jpg")

        self.failureResultOf(self.film.check(), MediaChangedError)
        self.failureResultOf(self.film.read(0), MediaChangedError)

    def test_picture_that_became_a_link_out_of_the_root(self) -> None:
        outside = Path(self.mktemp()).absolute()
        outside.write_bytes(picture(9))
        (self.folder / "2.jpg").unlink()
        (self.folder / "2.jpg").symlink_to(outside)

        self.failureResultOf(self.film.read(1), MediaChangedError)

    def test_picture_that_became_a_pipe(self) -> None:
        (self.folder / "2.jpg").unlink()
        os.mkfifo(self.folder / "2.jpg")

        self.failureResultOf(self.film.read(1), MediaChangedError)

    def test_picture_that_became_too_large(self) -> None:
        self.patch(images, "MAX_FRAME_BYTES", 100_000)
        with (self.folder / "2.jpg").open("wb") as file:
            file.truncate(100_001)

        self.failureResultOf(self.film.read(1), MediaChangedError)

    def test_picture_written_while_it_is_read_is_read_again(self) -> None:
        self.write_while_reading(times=1)

        self.assertEqual(50, number_of(self.successResultOf(self.film.read(0))))

    def test_picture_that_is_written_all_the_time(self) -> None:
        self.write_while_reading(times=2)

        self.failureResultOf(self.film.read(0), MediaChangedError)

    def test_picture_that_cannot_be_opened_is_left_out_like_a_broken_one(self) -> None:
        # Permissions would not keep root from it; that it is no folder does.
        self.patch(images, "OPEN_FLAGS", os.O_RDONLY | os.O_DIRECTORY)

        self.assertEqual(b"", self.successResultOf(self.film.read(1)))

    def write_while_reading(self, times: int) -> None:
        """Rewrite the first picture behind the first look at it, so many times over."""
        status = os.fstat
        looks: list[int] = []

        def fstat(fd: int) -> os.stat_result:
            found = status(fd)
            looks.append(fd)
            if len(looks) <= 2 * times and len(looks) % 2:
                self.put("1.jpg", 49 + len(looks))
                os.utime(self.folder / "1.jpg", ns=(0, len(looks)))
            return found

        self.patch(os, "fstat", fstat)
