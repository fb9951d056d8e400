from datetime import UTC, datetime
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override

from ..errors import RecordingError
from ..keeping.files import GrowingFile, claim_name, save_snapshot
from .full_disk import full_after

AT = datetime(2026, 11, 26, 22, 31, 7, tzinfo=UTC)


class FolderCase(SynchronousTestCase):
    @override
    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        self.folder.mkdir()

    def names(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir())


class GrowingFileTests(FolderCase):
    @override
    def setUp(self) -> None:
        super().setUp()
        self.path = self.folder / "film.mjpeg"

    def open(self) -> GrowingFile:
        file = GrowingFile(self.path)
        self.addCleanup(file.close)
        return file

    def test_each_piece_is_there_at_once(self) -> None:
        file = self.open()

        for content in (b"one", b"onetwo"):
            file.append(content[-3:])

            self.assertEqual(self.path.read_bytes(), content)
        self.assertEqual(file.size, 6)

    def test_patch(self) -> None:
        file = self.open()
        file.append(b"one")

        file.patch(1, b"N")
        file.append(b"two")

        self.assertEqual(self.path.read_bytes(), b"oNetwo")

    def test_existing_file_is_overwritten_with_the_first_piece(self) -> None:
        self.path.write_bytes(b"a longer film")

        file = self.open()
        self.assertEqual(self.path.read_bytes(), b"a longer film")
        file.append(b"one")

        self.assertEqual(self.path.read_bytes(), b"one")

    def test_existing_file_stays_if_nothing_is_written(self) -> None:
        self.path.write_bytes(b"a film")

        self.open().close()

        self.assertEqual(self.path.read_bytes(), b"a film")

    def test_empty_file_is_removed(self) -> None:
        self.open().close()

        self.assertEqual(self.names(), [])

    def test_empty_file_that_somebody_else_removed(self) -> None:
        file = self.open()
        self.path.unlink()

        file.close()

        self.assertTrue(file.closed)

    def test_closing_again(self) -> None:
        file = self.open()
        file.append(b"one")

        file.close()
        file.close()

        self.assertEqual(self.path.read_bytes(), b"one")

    def test_closing_that_fails(self) -> None:
        file = self.open()
        self.path.unlink()
        self.path.mkdir()

        error = self.assertRaises(RecordingError, file.close)

        self.assertIn(str(self.path), str(error))

    def test_half_a_piece_is_cut_away(self) -> None:
        file = self.open()
        file.append(b"one")

        with full_after(5):
            error = self.assertRaises(RecordingError, file.append, b"two")

        self.assertEqual(self.path.read_bytes(), b"one")
        self.assertTrue(file.closed)
        self.assertEqual(
            str(error), f"{self.path} cannot be written (File too large): make room there."
        )

    def test_patch_that_fails(self) -> None:
        file = self.open()
        file.append(b"onetwo")

        with full_after(3):
            self.assertRaises(RecordingError, file.patch, 3, b"TWO")

        self.assertEqual(self.path.read_bytes(), b"onetwo")
        self.assertTrue(file.closed)

    def test_closed_file_takes_nothing(self) -> None:
        file = self.open()
        file.close()

        error = self.assertRaises(RecordingError, file.append, b"one")

        self.assertEqual(str(error), f"{self.path} is closed: begin another recording.")

    def test_no_such_folder(self) -> None:
        path = self.folder / "gone" / "film.avi"

        error = self.assertRaises(RecordingError, GrowingFile, path)

        self.assertEqual(
            str(error),
            f"{path} cannot be written (No such file or directory): choose another place.",
        )

    def test_what_is_no_file(self) -> None:
        for path in (self.folder, Path("/dev/null")):
            error = self.assertRaises(RecordingError, GrowingFile, path)

            self.assertEqual(str(error), f"{path} is not a file: choose another name.")


class NameTests(FolderCase):
    def claim(self, title: str, suffix: str = ".avi") -> str:
        path = claim_name(self.folder, title, AT, suffix)

        self.assertEqual(path.parent, self.folder)
        self.assertEqual(path.read_bytes(), b"")
        return path.name

    def test_title_and_time(self) -> None:
        self.assertEqual(self.claim("movie.Mjpeg"), "movie 2026-11-26 22.31.07.avi")

    def test_same_second(self) -> None:
        names = [self.claim("movie") for _ in range(3)]

        self.assertEqual(
            [name.removeprefix("movie 2026-11-26 22.31.07") for name in names],
            [".avi", "-2.avi", "-3.avi"],
        )

    def test_titles_as_they_come_from_the_network(self) -> None:
        for title, stem in (
            ("cameras/front door.mjpeg", "front door"),
            ("../../etc/passwd", "passwd"),
            ("..", "video"),
            (".hidden", "hidden"),
            ("", "video"),
            ("/", "video"),
            ('a\\b:c*d?e"f<g>h|i', "a_b_c_d_e_f_g_h_i"),
            ("line\nbreak\0\x1b[31m\u202e", "line_break__[31m_"),
            ("zażółć видео", "zażółć видео"),
            ("\ud800", "_"),
            ("ж" * 1000, "ж" * 100),
        ):
            with self.subTest(title=title):
                self.assertEqual(self.claim(title).split(" 2026-")[0], stem)

    def test_no_such_folder(self) -> None:
        self.folder.rmdir()

        error = self.assertRaises(RecordingError, claim_name, self.folder, "movie", AT, ".avi")

        self.assertIn("movie 2026-11-26 22.31.07.avi cannot be written", str(error))

    def test_no_name_left(self) -> None:
        first = claim_name(self.folder, "movie", AT, ".avi")
        for number in range(2, 1000):
            first.with_stem(f"{first.stem}-{number}").touch()

        error = self.assertRaises(RecordingError, claim_name, self.folder, "movie", AT, ".avi")

        self.assertIn("holds too many files called movie 2026", str(error))


class SnapshotTests(FolderCase):
    def test_byte_for_byte(self) -> None:
        path = save_snapshot(self.folder, "movie.Mjpeg", AT, b"\xff\xd8 picture \xff\xd9")

        self.assertEqual(path.read_bytes(), b"\xff\xd8 picture \xff\xd9")
        self.assertEqual(self.names(), ["movie 2026-11-26 22.31.07.jpg"])

    def test_earlier_ones_stay(self) -> None:
        paths = [save_snapshot(self.folder, "movie", AT, b"%d" % number) for number in range(3)]

        self.assertEqual([path.read_bytes() for path in paths], [b"0", b"1", b"2"])

    def test_nothing_is_left_of_one_that_fails(self) -> None:
        with full_after(5):
            error = self.assertRaises(
                RecordingError, save_snapshot, self.folder, "movie", AT, b"picture"
            )

        self.assertIn("movie 2026-11-26 22.31.07.jpg cannot be written", str(error))
        self.assertEqual(self.names(), [])
