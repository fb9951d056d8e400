import os
import struct
from pathlib import Path

from twisted.trial.unittest import SkipTest, SynchronousTestCase
from typing_extensions import override

from mjpegd.errors import MediaChangedError, MediaError, MediaNotFoundError
from mjpegd.sources.reading import BLOCK_BYTES, FINGERPRINT_BYTES, FilmFile, blocks, table
from mjpegd.test.films import BytesReader

CONTENT = bytes(range(256)) * 1024


def touch(path: Path) -> None:
    """Let the file have been written a second later than it was."""
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 10**9))


class FilmFileCase(SynchronousTestCase):
    @override
    def setUp(self) -> None:
        self.path = Path(self.mktemp()).resolve()
        self.path.write_bytes(CONTENT)
        self.file = FilmFile(self.path)
        self.addCleanup(self.file.close)

    def overwrite(self, offset: int, data: bytes) -> None:
        with self.path.open("r+b") as file:
            file.seek(offset)
            file.write(data)
        touch(self.path)

    def append(self, data: bytes) -> None:
        with self.path.open("ab") as file:
            file.write(data)
        touch(self.path)


class OpeningTests(SynchronousTestCase):
    def test_missing_file(self) -> None:
        self.assertRaises(MediaNotFoundError, FilmFile, Path(self.mktemp()))

    def test_only_regular_files(self) -> None:
        folder, pipe, link = (Path(self.mktemp()) for _ in range(3))
        folder.mkdir()
        os.mkfifo(pipe)
        link.symlink_to(Path(__file__).resolve())
        for path in (folder, pipe, link, Path(os.devnull)):
            with self.subTest(path=path):
                self.assertRaises(MediaError, FilmFile, path)

    def test_names_in_messages_are_escaped(self) -> None:
        error = self.assertRaises(MediaError, FilmFile, Path("a\nb"))

        self.assertEqual(str(error), r"'a\nb' does not exist")


class ReadingTests(FilmFileCase):
    def test_bytes_of_a_frame(self) -> None:
        self.assertEqual(self.file.read(300, 1000), CONTENT[300:1300])

    def test_bytes_of_a_frame_without_waiting(self) -> None:
        self.file.read(300, 1000)

        self.assertIn(self.file.read_now(300, 1000), (CONTENT[300:1300], None))

    def test_nothing_where_it_would_mean_waiting(self) -> None:
        with self.path.open("rb") as file:
            os.fsync(file.fileno())
            if hasattr(os, "posix_fadvise"):
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)

        self.assertIn(self.file.read_now(300, 1000), (CONTENT[300:1300], None))
        self.assertEqual(self.file.read(300, 1000), CONTENT[300:1300])

    def test_nothing_where_the_file_system_cannot_tell(self) -> None:
        path = Path("/proc/version")
        if not path.exists():
            raise SkipTest("no /proc here")
        file = FilmFile(path)
        self.addCleanup(file.close)

        self.assertIsNone(file.read_now(0, 5))
        self.assertIsNone(file.read_now(0, 5))

    def test_index_reads_end_with_the_file_as_it_was_opened(self) -> None:
        self.append(b"more")

        self.assertEqual(self.file.read_at(len(CONTENT) - 3, 100), CONTENT[-3:])
        self.assertEqual(self.file.read_at(len(CONTENT), 100), b"")
        self.assertEqual(self.file.read_at(-1, 100), b"")
        self.assertEqual(self.file.read_at(2**64, 100), b"")
        self.assertEqual(self.file.read_at(0, 10**9), CONTENT[:BLOCK_BYTES])


class ChangeTests(FilmFileCase):
    def assert_changed(self) -> None:
        self.assertRaises(MediaChangedError, self.file.read_now, 0, 100)
        self.assertRaises(MediaChangedError, self.file.read, 0, 100)
        self.assertRaises(MediaChangedError, self.file.verify)
        self.assertRaises(MediaChangedError, self.file.check)

    def test_nothing_changed(self) -> None:
        self.file.verify()
        self.file.check()

    def test_cut_short(self) -> None:
        os.truncate(self.path, 5000)

        self.assert_changed()

    def test_rewritten_in_place(self) -> None:
        self.overwrite(1000, b"new")

        # For a moment, appending looks the same.
        self.assertIsNone(self.file.read_now(0, 100))
        self.assertRaises(MediaChangedError, self.file.read, 0, 100)
        self.assert_changed()

    def test_rewritten_and_longer(self) -> None:
        self.path.write_bytes(b"new" + CONTENT)

        self.assertRaises(MediaChangedError, self.file.read, 0, 100)
        self.assert_changed()

    def test_rewritten_near_the_old_end_and_longer(self) -> None:
        self.overwrite(len(CONTENT) - FINGERPRINT_BYTES, b"new")
        self.append(b"more")

        self.assertRaises(MediaChangedError, self.file.verify)

    def test_appended_to(self) -> None:
        self.append(b"more")

        # Whether it is still the same film is a question for a thread.
        self.assertIsNone(self.file.read_now(0, 100))
        self.assertEqual(self.file.read(0, 100), CONTENT[:100])
        self.assertIn(self.file.read_now(0, 100), (CONTENT[:100], None))
        self.file.check()

    def test_change_is_never_forgotten(self) -> None:
        status = self.path.stat()
        self.overwrite(0, b"new")
        self.assertRaises(MediaChangedError, self.file.read, 0, 100)
        os.utime(self.path, ns=(status.st_atime_ns, status.st_mtime_ns))

        self.assert_changed()

    def test_replaced(self) -> None:
        other = Path(self.mktemp())
        other.write_bytes(CONTENT)
        other.replace(self.path)

        self.assertEqual(self.file.read(0, 100), CONTENT[:100])
        self.assertRaises(MediaChangedError, self.file.check)

    def test_removed(self) -> None:
        self.path.unlink()

        self.assertRaises(MediaChangedError, self.file.check)
        self.assert_changed()

    def test_place_beyond_the_end_is_never_filled_with_anything(self) -> None:
        self.assertIsNone(self.file.read_now(len(CONTENT) - 10, 20))
        self.assertRaises(MediaChangedError, self.file.read, len(CONTENT) - 10, 20)


class PieceTests(SynchronousTestCase):
    def test_blocks_cover_a_part_of_a_file(self) -> None:
        reader = BytesReader(CONTENT)

        found = list(blocks(reader, 10, 10**6))

        self.assertEqual(b"".join(found), CONTENT[10:])
        self.assertLessEqual(max(map(len, found)), BLOCK_BYTES)

    def test_blocks_end_where_the_file_was_cut_meanwhile(self) -> None:
        reader = BytesReader(CONTENT)
        reader.size += 10**6

        self.assertEqual(b"".join(blocks(reader, 0, 10**9)), CONTENT)

    def test_rows_of_a_table(self) -> None:
        row = struct.Struct(">IBH")
        values = [(number, number % 256, number % 1000) for number in range(40_000)]
        data = b"head" + b"".join(row.pack(*value) for value in values) + b"tail"

        found = list(table(BytesReader(data), row, 4, len(values)))

        self.assertEqual([value for rows in found for value in rows], values)

    def test_table_has_no_more_rows_than_the_file(self) -> None:
        row = struct.Struct(">H")
        reader = BytesReader(b"\0\1\0\2\0")

        self.assertEqual(list(table(reader, row, 0, 2**40)), [[(1,), (2,)]])
        self.assertEqual(list(table(reader, row, 100, 5)), [])
