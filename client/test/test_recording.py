from collections.abc import Sequence
from fractions import Fraction
from operator import add
from pathlib import Path

import av
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override

from mjpegd.test.films import frames_of, index_of, laboratory, pictures
from mjpegd.test.pictures import number_of, picture

from ..errors import RecordingError
from ..keeping.recording import Recording, begin
from .full_disk import full_after

FRAMES = list(pictures(12))
GAP = 3750
KINDS = {
    "film.Mjpeg": "laboratory .Mjpeg",
    "film.mjpeg": "concatenated JPEG",
    "film.MJPEG": "concatenated JPEG",
    "film.mjpg": "concatenated JPEG",
    "film.avi": "AVI",
    "film.AVI": "AVI",
}


class RecordingCase(SynchronousTestCase):
    @override
    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        self.folder.mkdir()

    def begin(self, name: str) -> Recording:
        recording = begin(self.folder / name, Fraction(24))
        self.addCleanup(recording.close)
        return recording

    def record(self, name: str, frames: Sequence[bytes] = FRAMES) -> list[bytes]:
        """The file after each frame, and last when it is closed."""
        recording = self.begin(name)
        found = []
        for number, frame in enumerate(frames):
            recording.write(frame, number * GAP)
            found.append(recording.path.read_bytes())
        recording.close()
        return [*found, recording.path.read_bytes()]


class FormatTests(RecordingCase):
    def test_name_tells_the_format(self) -> None:
        for name, kind in KINDS.items():
            film = self.record(name)[-1]

            self.assertEqual(index_of(film).kind, kind)
            self.assertEqual(frames_of(film), FRAMES)

    def test_ffmpeg_shows_all(self) -> None:
        for name in KINDS:
            self.record(name)

            with av.open(str(self.folder / name)) as film:
                numbers = [number_of(frame.to_image()) for frame in film.decode(video=0)]
            self.assertEqual(numbers, [*range(12)])

    def test_other_names(self) -> None:
        for name in ("film.mp4", "film", ".avi"):
            error = self.assertRaises(RecordingError, begin, self.folder / name, None)

            self.assertEqual(
                str(error),
                f"{name} does not tell how to record: let its name end in .avi, in .mjpeg (one"
                " JPEG behind the other) or in .Mjpeg (the laboratory's format).",
            )

    def test_lengths_of_the_laboratory(self) -> None:
        large = picture(1, (1600, 1200), quality=100)[:-2] + bytes(100_000)
        self.assertTrue(100_000 <= len(large) <= 999_999)

        film = self.record("film.Mjpeg", [FRAMES[0], large])[-1]

        self.assertEqual(film, laboratory([FRAMES[0], large]))
        self.assertEqual(film[: 5 + 2], b"00%d\xff\xd8" % len(FRAMES[0]))

    def test_one_behind_the_other(self) -> None:
        self.assertEqual(self.record("film.mjpeg")[-1], b"".join(FRAMES))


class WritingTests(RecordingCase):
    def test_counts(self) -> None:
        for name in KINDS:
            recording = self.begin(name)
            for number, frame in enumerate(FRAMES):
                recording.write(frame, number * GAP)

            self.assertEqual(recording.frames, 12)
            self.assertEqual(recording.path, self.folder / name)
            self.assertEqual(recording.bytes_written, recording.path.stat().st_size)

    def test_film_without_frames_is_removed(self) -> None:
        for name in KINDS:
            self.begin(name).close()

        self.assertEqual(list(self.folder.iterdir()), [])

    def test_whole_after_each_frame(self) -> None:
        for name in KINDS:
            for count, film in enumerate(self.record(name)[:-1], 1):
                self.assertEqual(frames_of(film), FRAMES[:count])

    def test_cut_off_anywhere(self) -> None:
        for name in ("film.Mjpeg", "film.mjpeg"):
            self.assert_whole_frames_are_read(self.record(name)[-1])

    def assert_whole_frames_are_read(self, film: bytes) -> None:
        ends = [film.index(frame) + len(frame) for frame in FRAMES]
        near_an_end = st.builds(add, st.sampled_from(ends), st.integers(-12, 12))

        @given(near_an_end | st.integers(ends[0], len(film)))
        def verify(cut: int) -> None:
            whole = sum(end <= cut for end in ends)

            found = frames_of(film[:cut])

            # What is left of a frame may be shown as well.
            self.assertEqual(found[:whole], FRAMES[:whole])
            self.assertLessEqual(len(found), whole + 1)

        verify()

    def test_disk_that_is_full(self) -> None:
        for name in KINDS:
            size = len(self.record(name)[2])
            recording = self.begin(name)
            with full_after(size + 10):
                for number in range(3):
                    recording.write(FRAMES[number], number * GAP)
                self.assertRaises(RecordingError, recording.write, FRAMES[3], 3 * GAP)
            self.assertRaises(RecordingError, recording.write, FRAMES[4], 4 * GAP)
            recording.close()

            self.assertEqual(recording.frames, 3)
            self.assertEqual(frames_of(recording.path.read_bytes()), FRAMES[:3])

    def test_no_such_folder(self) -> None:
        for name in KINDS:
            self.assertRaises(RecordingError, begin, self.folder / "gone" / name, None)
