import struct

from twisted.trial.unittest import SynchronousTestCase

from mjpegd.errors import MediaError
from mjpegd.test.films import (
    box,
    fragmented,
    frames_of,
    full_box,
    index_of,
    numbers,
    pictures,
    quicktime,
    sample_description,
    seconds_of,
    trak,
)

FRAMES = pictures(7)
SMALL_FRAMES = [b"\xff\xd8" + bytes(number) for number in range(3, 10)]


class TrackTests(SynchronousTestCase):
    def test_kind(self) -> None:
        self.assertEqual(index_of(quicktime(FRAMES)).kind, "QuickTime/MP4")

    def test_codecs_that_are_mjpeg(self) -> None:
        for stsd in (
            sample_description(b"jpeg"),
            sample_description(b"mjpa"),
            sample_description(b"MJPG"),
            sample_description(b"mp4v", 0x6C),
        ):
            with self.subTest(stsd=stsd[20:24]):
                self.assertEqual(frames_of(quicktime(FRAMES, stsd=stsd)), list(FRAMES))

    def test_other_codecs_are_named(self) -> None:
        for stsd, name in (
            (sample_description(b"avc1"), "H.264"),
            (sample_description(b"mp4v", 0x20), "MPEG-4"),
            (sample_description(b"mp4v"), "MPEG-4"),
            (sample_description(b"mjpb"), "Motion JPEG format B"),
            (full_box(b"stsd", "I", 0), "unknown"),
            (box(b"free"), "unknown"),
        ):
            with self.subTest(name=name):
                error = self.assertRaises(MediaError, index_of, quicktime(FRAMES, stsd=stsd))

                self.assertEqual(str(error), f"{name} video; only MJPEG is served")

    def test_first_mjpeg_track_is_taken(self) -> None:
        others = trak(b"", handler=b"soun") + trak(sample_description(b"avc1"))

        self.assertEqual(frames_of(quicktime(FRAMES, before=others)), list(FRAMES))

    def test_no_video_track(self) -> None:
        film = box(b"ftyp") + box(b"moov", trak(b"", handler=b"soun"))

        self.assertRaises(MediaError, index_of, film)

    def test_recording_without_its_header(self) -> None:
        error = self.assertRaises(MediaError, index_of, box(b"ftyp") + box(b"mdat", *FRAMES))

        self.assertIn("cut off", str(error))


class SampleTableTests(SynchronousTestCase):
    def test_frames_in_every_form(self) -> None:
        forms = {
            "header last": quicktime(FRAMES),
            "header first": quicktime(FRAMES, moov_first=True),
            "64 bits": quicktime(FRAMES, is_wide=True),
            "64 bits, header first": quicktime(FRAMES, is_wide=True, moov_first=True),
            "a chunk for each": quicktime(FRAMES, per_chunk=1),
            "one chunk": quicktime(FRAMES, per_chunk=7),
            "sizes of 16 bits": quicktime(FRAMES, field_bits=16),
        }
        for form, film in forms.items():
            with self.subTest(form=form):
                self.assertEqual(frames_of(film), list(FRAMES))
                self.assertEqual(seconds_of(film), [number * 0.04 for number in range(7)])

    def test_sizes_of_8_bits(self) -> None:
        self.assertEqual(frames_of(quicktime(SMALL_FRAMES, field_bits=8)), SMALL_FRAMES)

    def test_sizes_of_an_unknown_kind(self) -> None:
        film = quicktime(SMALL_FRAMES, field_bits=8)
        at = film.index(b"stz2") + 11

        self.assertEqual(frames_of(film[:at] + b"\x05" + film[at + 1 :]), [])

    def test_one_size_for_all(self) -> None:
        frames = [FRAMES[0]] * 7
        film = quicktime(frames)
        at = film.index(b"stsz") + 8
        count = 0xFFFFFFFF  # A lie, which costs neither memory nor time.

        film = film[:at] + struct.pack(">II", len(FRAMES[0]), count) + film[at + 8 :]

        self.assertEqual(frames_of(film), frames)

    def test_variable_times(self) -> None:
        film = quicktime(FRAMES, durations=[60, 120, 6, 6, 600, 60, 60])

        self.assertEqual(seconds_of(film), [0.0, 0.1, 0.3, 0.31, 0.32, 1.32, 1.42])

    def test_missing_tables_are_no_frames_or_no_times(self) -> None:
        for kind in (b"stsz", b"stsc", b"stco"):
            with self.subTest(kind=kind):
                self.assertEqual(frames_of(quicktime(FRAMES).replace(kind, b"free")), [])
        self.assertEqual(seconds_of(quicktime(FRAMES).replace(b"stts", b"free")), [None] * 7)

    def test_no_time_scale(self) -> None:
        film = quicktime(FRAMES)
        at = film.index(b"mdhd") + 16

        self.assertEqual(seconds_of(film[:at] + bytes(4) + film[at + 4 :]), [None] * 7)

    def test_tables_that_stand_still_end_the_film(self) -> None:
        film = quicktime(FRAMES)
        stsc, stts = film.index(b"stsc"), film.index(b"stts")
        same_chunk = film[: stsc + 24] + numbers([1]) + film[stsc + 28 :]
        no_samples = film[: stts + 12] + numbers([0]) + film[stts + 16 :]
        empty_chunks = film[: stsc + 16] + numbers([0]) + film[stsc + 20 :]

        self.assertEqual(frames_of(same_chunk), [])
        self.assertEqual(frames_of(empty_chunks), [])
        self.assertEqual(seconds_of(no_samples), [None] * 7)

    def test_boxes_that_stand_still_end_the_walk(self) -> None:
        film = box(b"ftyp") + struct.pack(">I4sQ", 1, b"mdat", 3) + box(b"moov")

        self.assertRaises(MediaError, index_of, film)

    def test_sample_description_without_codec(self) -> None:
        cut = quicktime(FRAMES, stsd=box(b"stsd", bytes(8)))

        self.assertRaises(MediaError, index_of, cut)


class FragmentTests(SynchronousTestCase):
    def test_frames_and_times(self) -> None:
        for says_offset in (True, False):
            for has_defaults in (True, False):
                with self.subTest(says_offset=says_offset, has_defaults=has_defaults):
                    film = fragmented(
                        [FRAMES[:3], FRAMES[3:4], FRAMES[4:]],
                        says_offset=says_offset,
                        has_defaults=has_defaults,
                    )

                    self.assertEqual(frames_of(film), list(FRAMES))
                    self.assertEqual(seconds_of(film), [number * 0.04 for number in range(7)])

    def test_sizes_and_durations_by_default(self) -> None:
        frames = [FRAMES[0]] * 7
        for says_offset in (True, False):
            with self.subTest(says_offset=says_offset):
                film = fragmented(
                    [frames[:3], frames[3:]], says_sizes=False, says_offset=says_offset
                )

                self.assertEqual(frames_of(film), frames)
                self.assertEqual(seconds_of(film), [number * 0.04 for number in range(7)])

    def test_fragments_of_another_track_are_left_out(self) -> None:
        film = fragmented([FRAMES[:3], FRAMES[3:]], says_offset=False)
        tfhd = film.rindex(b"tfhd")

        self.assertEqual(
            frames_of(film[: tfhd + 8] + numbers([2]) + film[tfhd + 12 :]), list(FRAMES[:3])
        )

    def test_times_go_on_where_fragments_do_not_tell(self) -> None:
        film = fragmented([FRAMES[:3], FRAMES[3:]]).replace(b"tfdt", b"free")

        self.assertEqual(seconds_of(film), [number * 0.04 for number in range(7)])

    def test_cut_off(self) -> None:
        film = fragmented([FRAMES[:3], FRAMES[3:]])

        self.assertEqual(frames_of(film[:-5]), list(FRAMES[:-1]))
        self.assertEqual(frames_of(film[: film.rindex(b"trun")]), list(FRAMES[:3]))

    def test_last_box_of_size_0_reaches_the_end(self) -> None:
        film = fragmented([FRAMES[:3], FRAMES[3:]])
        size_at = film.rindex(b"mdat") - 4

        self.assertEqual(frames_of(film[:size_at] + bytes(4) + film[size_at + 4 :]), list(FRAMES))
