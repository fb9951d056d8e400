import re
import struct
from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import accumulate, pairwise
from operator import add
from pathlib import Path

import av
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override

from mjpegd.test.films import frames_of, index_of, pictures, seconds_of
from mjpegd.test.pictures import number_of, picture

from ..errors import RecordingError
from ..keeping.avi import PART_BYTES, AviRecording
from ..keeping.files import GrowingFile
from .full_disk import full_after

GAP = 3750  # of 24 frames per second
FRAMES = list(pictures(64))
# Frame 50 comes after two that are missing, frame 60 after five more.
SLOTS = [number + 2 * (number >= 50) + 5 * (number >= 60) for number in range(64)]


def shown(path: Path) -> list[tuple[int, float]]:
    """The number of each picture, and its time, as FFmpeg reads them."""
    with av.open(str(path)) as film:
        return [
            (number_of(frame.to_image()), round(float(frame.time), 3))
            for frame in film.decode(video=0)
        ]


def riff_sizes(film: bytes) -> list[int]:
    """What each part of a film says of its size, where the parts follow each other."""
    sizes, at = [], 0
    while at < len(film):
        name, size = struct.unpack_from("<4sI", film, at)
        assert name == b"RIFF", name
        sizes.append(size)
        at += 8 + size
    return sizes


class AviCase(SynchronousTestCase):
    @override
    def setUp(self) -> None:
        self.path = Path(self.mktemp())

    def begin(
        self, framerate: Fraction | None = None, part_bytes: int = PART_BYTES
    ) -> AviRecording:
        self.file = GrowingFile(self.path)
        self.addCleanup(self.file.close)
        return AviRecording(self.file, framerate, part_bytes)

    def states(
        self,
        frames: Sequence[bytes] = FRAMES,
        slots: Iterable[int] = SLOTS,
        part_bytes: int = PART_BYTES,
    ) -> list[bytes]:
        """The file after each frame, and last when it is closed."""
        recording = self.begin(Fraction(48), part_bytes)
        found = []
        for frame, slot in zip(frames, slots, strict=True):
            recording.write(frame, slot * GAP)
            found.append(self.path.read_bytes())
        recording.close()
        return [*found, self.path.read_bytes()]


class FilmTests(AviCase):
    def test_frames_byte_for_byte(self) -> None:
        self.assertEqual(frames_of(self.states()[-1]), FRAMES)

    def test_rate_and_times(self) -> None:
        film = self.states()[-1]

        self.assertEqual(index_of(film).rate, 24)
        self.assertEqual(seconds_of(film), [slot / 24 for slot in SLOTS])

    def test_ffmpeg_shows_each_frame_at_its_time(self) -> None:
        self.states()

        expected = [(number, round(slot / 24, 3)) for number, slot in enumerate(SLOTS)]
        self.assertEqual(shown(self.path), expected)

    def test_size_of_the_picture(self) -> None:
        self.states([picture(0, (640, 352))], [0])

        with av.open(str(self.path)) as film:
            stream = film.streams.video[0]
            self.assertEqual((stream.width, stream.height), (640, 352))

    def test_picture_whose_size_cannot_be_read(self) -> None:
        film = self.states([b"\xff\xd8 no picture", *FRAMES[1:]])[-1]

        self.assertIn(struct.pack("<III", 40, 640, 480), film)
        self.assertEqual(frames_of(film)[1:], FRAMES[1:])

    def test_largest_picture(self) -> None:
        frame = FRAMES[0].replace(struct.pack(">HH", 32, 32), b"\xff\xff\xff\xff", 1)

        film = self.states([frame], [0])[-1]

        self.assertIn(struct.pack("<III", 40, 0xFFFF, 0xFFFF), film)

    def test_old_index(self) -> None:
        film = self.states()[-1]

        at = film.rindex(b"idx1")
        rows = list(struct.iter_unpack("<4sIII", film[at + 8 :]))
        self.assertEqual(len(rows), 64 + 7)
        movi = film.index(b"movi")
        self.assertEqual(movi + struct.unpack_from("<I", film, movi - 4)[0], at)
        for name, _, offset, size in rows:
            head = struct.pack("<4sI", name, size)
            self.assertEqual(film[movi + offset : movi + offset + 8], head)
        self.assertEqual([flags for _, flags, _, _ in rows], [16 * bool(row[3]) for row in rows])

    def test_counts(self) -> None:
        recording = self.begin()
        for number, frame in enumerate(FRAMES[:3]):
            recording.write(frame, number * GAP)

        self.assertEqual(recording.frames, 3)
        self.assertEqual(recording.bytes_written, self.path.stat().st_size)
        self.assertEqual(recording.path, self.path)

    def test_film_without_frames_is_removed(self) -> None:
        self.begin().close()

        self.assertFalse(self.path.exists())

    def test_closing_again(self) -> None:
        recording = self.begin()
        recording.write(FRAMES[0], 0)
        recording.close()
        film = self.path.read_bytes()

        recording.close()

        self.assertEqual(self.path.read_bytes(), film)


class PartTests(AviCase):
    def test_parts_of_any_size(self) -> None:
        for part_bytes, parts in ((1, 64), (10_000, 5), (PART_BYTES, 1)):
            with self.subTest(part_bytes=part_bytes):
                film = self.states(part_bytes=part_bytes)[-1]

                self.assertEqual(len(riff_sizes(film)), parts)
                self.assertEqual(frames_of(film), FRAMES)
                self.assertEqual(seconds_of(film), [slot / 24 for slot in SLOTS])
                self.assertEqual(
                    shown(self.path), [(n, round(slot / 24, 3)) for n, slot in enumerate(SLOTS)]
                )

    def test_index_of_indexes_leads_to_each(self) -> None:
        film = self.states(part_bytes=10_000)[-1]

        at = film.index(b"indx") + 8
        count = struct.unpack_from("<I", film, at + 4)[0]
        rows = list(struct.iter_unpack("<QII", film[at + 24 : at + 24 + 16 * count]))
        self.assertEqual(sum(slots for _, _, slots in rows), 64 + 7)
        for offset, size, slots in rows:
            self.assertEqual(film[offset : offset + 4], b"ix00")
            self.assertEqual(struct.unpack_from("<I", film, offset + 4)[0] + 8, size)
            self.assertEqual(struct.unpack_from("<I", film, offset + 12)[0], slots)

    def test_indexes_lead_to_each_chunk(self) -> None:
        film = self.states(part_bytes=10_000)[-1]

        places = []
        for found in re.finditer(rb"ix00.{4}\x02\0\0\x01(.{4})00dc(.{8})", film, re.DOTALL):
            count, base = struct.unpack("<IQ", b"".join(found.groups()))
            rows = struct.iter_unpack("<II", film[found.end() + 4 :][: 8 * count])
            places += [(base + offset, size) for offset, size in rows]
        self.assertEqual([film[at : at + size] for at, size in places if size], FRAMES)
        for at, size in places:
            self.assertEqual(film[at - 8 : at], struct.pack("<4sI", b"00dc", size))

    def test_header_says_whether_there_is_an_index(self) -> None:
        *_, unfinished, finished = self.states()

        for film, flag in ((unfinished, 0), (finished, 0x10)):
            self.assertEqual(struct.unpack_from("<I", film, film.index(b"avih") + 8 + 12)[0], flag)

    def test_longest_index(self) -> None:
        recording = self.begin(Fraction(240))
        steps = [375] * 9 + [900_000] * (2**20 // 2400 + 2)
        for timestamp in accumulate(steps):
            recording.write(FRAMES[0], timestamp)
        recording.close()

        self.assertEqual(len(riff_sizes(self.path.read_bytes())), 2)

    def test_header_tells_the_frames_of_the_first_part_and_of_all(self) -> None:
        film = self.states(part_bytes=10_000)[-1]

        first = struct.unpack_from("<I", film, film.index(b"avih") + 8 + 16)[0]
        track = struct.unpack_from("<I", film, film.index(b"strh") + 8 + 32)[0]
        whole = struct.unpack_from("<I", film, film.index(b"dmlh") + 8)[0]
        self.assertTrue(0 < first < 64)
        self.assertEqual((track, whole), (71, 71))

    def test_seeking_into_a_later_part(self) -> None:
        self.states(part_bytes=10_000)

        with av.open(str(self.path)) as film:
            film.seek(int(2.5 * av.time_base))
            frame = next(film.decode(video=0))
        self.assertEqual(number_of(frame.to_image()), SLOTS.index(60))

    def test_as_long_as_it_can_be(self) -> None:
        recording = self.begin(part_bytes=1)
        for number in range(256):
            recording.write(FRAMES[number % 64], number * GAP)

        error = self.assertRaises(RecordingError, recording.write, FRAMES[0], 256 * GAP)

        self.assertEqual(str(error), f"{self.path} is as long as an AVI can be: begin another one.")
        recording.close()
        self.assertEqual(len(frames_of(self.path.read_bytes())), 256)


class CrashTests(AviCase):
    def test_whole_after_each_frame(self) -> None:
        for part_bytes in (PART_BYTES, 10_000):
            for count, film in enumerate(self.states(part_bytes=part_bytes)[:-1], 1):
                self.assertEqual(frames_of(film), FRAMES[:count])
                self.assertEqual(sum(riff_sizes(film)) + 8 * len(riff_sizes(film)), len(film))

    def test_ffmpeg_shows_what_is_there_after_some_frames(self) -> None:
        for part_bytes in (PART_BYTES, 10_000):
            states = self.states(part_bytes=part_bytes)
            for count in range(1, 64, 9):
                self.path.write_bytes(states[count - 1])

                self.assertEqual([number for number, _ in shown(self.path)], [*range(count)])

    def test_killed_before_the_sizes_are_put_right(self) -> None:
        for part_bytes in (PART_BYTES, 10_000):
            states = self.states(part_bytes=part_bytes)
            for count, (before, after) in enumerate(pairwise(states[:-1]), 1):
                film = before + after[len(before) :]

                self.assertEqual(frames_of(film), FRAMES[: count + 1])

    def test_cut_off_anywhere(self) -> None:
        for part_bytes in (1, 10_000, PART_BYTES):
            self.assert_whole_frames_are_read(self.states(part_bytes=part_bytes)[-1])

    def assert_whole_frames_are_read(self, film: bytes) -> None:
        ends = [film.index(frame) + len(frame) for frame in FRAMES]
        near_an_end = st.builds(add, st.sampled_from(ends), st.integers(-12, 12))

        @given(near_an_end | st.integers(film.index(FRAMES[0]), len(film)))
        def verify(cut: int) -> None:
            whole = sum(end <= cut for end in ends)

            self.assertEqual(frames_of(film[:cut]), FRAMES[:whole])

        verify()

    def test_disk_that_is_full(self) -> None:
        sizes = [len(state) for state in self.states()]
        for count, size in ((3, sizes[3] - 1), (3, sizes[2] + 1), (0, sizes[0] - 1)):
            recording = self.begin()
            with full_after(size):
                for number in range(count):
                    recording.write(FRAMES[number], number * GAP)
                self.assertRaises(RecordingError, recording.write, FRAMES[count], count * GAP)
            recording.close()

            film = self.path.read_bytes()
            self.assertEqual(frames_of(film) if count else film, FRAMES[:count] if count else b"")

    def test_disk_too_full_for_the_index(self) -> None:
        recording = self.begin()
        for number, frame in enumerate(FRAMES):
            recording.write(frame, number * GAP)

        with full_after(recording.bytes_written + 400):
            self.assertRaises(RecordingError, recording.close)

        self.assertEqual(frames_of(self.path.read_bytes()), FRAMES)
        self.assertEqual(len(shown(self.path)), 64)
