from fractions import Fraction

from twisted.trial.unittest import SynchronousTestCase

from mjpegd.errors import MediaError
from mjpegd.test.films import (
    element,
    frames_of,
    index_of,
    matroska,
    matroska_track,
    pictures,
    seconds_of,
    unsigned,
)

FRAMES = pictures(7)
TIMES = [0, 40, 80, 200, 240, 280, 1000]


class TrackTests(SynchronousTestCase):
    def test_kind_and_rate(self) -> None:
        for frame_ns, rate in (
            (33_366_667, Fraction(30000, 1001)),
            (33_366_666, Fraction(30000, 1001)),
            (16_666_667, Fraction(60)),
            (40_000_000, Fraction(25)),
            (5_000_000_000, Fraction(1, 5)),
            (1, None),
            (0, None),
        ):
            with self.subTest(frame_ns=frame_ns):
                index = index_of(matroska(FRAMES, TIMES, matroska_track(frame_ns=frame_ns)))

                self.assertEqual((index.kind, index.rate), ("Matroska", rate))

    def test_first_mjpeg_track_is_taken(self) -> None:
        tracks = [
            matroska_track(2, 2, b"A_PCM/INT/LIT"),
            matroska_track(3, 1, b"V_VP8"),
            matroska_track(1, 1, b"V_MJPEG"),
        ]

        self.assertEqual(frames_of(matroska(FRAMES, TIMES, *tracks)), list(FRAMES))

    def test_codec_as_avi_calls_it(self) -> None:
        private = element(0x63A2, bytes(16) + b"MJPG" + bytes(20))
        track = matroska_track(codec=b"V_MS/VFW/FOURCC\0", more=private)

        self.assertEqual(frames_of(matroska(FRAMES, TIMES, track)), list(FRAMES))

    def test_other_codecs_are_named(self) -> None:
        for codec, name in ((b"V_VP8", "VP8"), (b"V_MPEG4/ISO/AVC", "H.264"), (b"V_X", "X")):
            with self.subTest(codec=codec):
                film = matroska(FRAMES, TIMES, matroska_track(codec=codec))
                error = self.assertRaises(MediaError, index_of, film)

                self.assertEqual(str(error), f"{name} video; only MJPEG is served")

    def test_compressed_frames_are_refused(self) -> None:
        track = matroska_track(more=element(0x6D80, b""))

        error = self.assertRaises(MediaError, index_of, matroska(FRAMES, TIMES, track))

        self.assertIn("compressed", str(error))

    def test_no_video_track(self) -> None:
        sound_only = matroska(FRAMES, TIMES, matroska_track(2, 2, b"A_OPUS"))
        for film in (sound_only, element(0x1A45DFA3, b"") + element(0x18538067, b"")):
            self.assertRaises(MediaError, index_of, film)


class BlockTests(SynchronousTestCase):
    def test_frames_and_times_in_every_form(self) -> None:
        forms = {
            "simple blocks": matroska(FRAMES, TIMES),
            "block groups": matroska(FRAMES, TIMES, in_groups=True),
            "unknown sizes": matroska(FRAMES, TIMES, is_known=False),
            "unknown sizes, groups": matroska(FRAMES, TIMES, is_known=False, in_groups=True),
            "a cluster for each": matroska(FRAMES, TIMES, per_cluster=1),
            "a block before its cluster's time": matroska(FRAMES[:2], [40, 0]),
        }
        for form, film in forms.items():
            with self.subTest(form=form):
                times = [0.04, 0.0] if "before" in form else [time / 1000 for time in TIMES]

                self.assertEqual(frames_of(film), list(FRAMES[: len(times)]))
                self.assertEqual(seconds_of(film), times)

    def test_time_scale(self) -> None:
        film = matroska(FRAMES, TIMES, scale_ns=100_000)

        self.assertEqual(seconds_of(film), [time / 10_000 for time in TIMES])

    def test_time_scale_of_0_is_the_usual_one(self) -> None:
        self.assertEqual(seconds_of(matroska(FRAMES, TIMES, scale_ns=0))[1], 0.04)

    def test_laced_blocks_are_left_out(self) -> None:
        self.assertEqual(frames_of(matroska(FRAMES, TIMES, flags=0x86)), [])

    def test_cut_off(self) -> None:
        film = matroska(FRAMES, TIMES, per_cluster=3)
        behind_last = len(element(0xA3, b"????sound"))

        self.assertEqual(frames_of(film[: -behind_last - 1]), list(FRAMES[:-1]))
        self.assertEqual(frames_of(film[: -behind_last + 1]), list(FRAMES))

    def test_damage_ends_the_film(self) -> None:
        for damage in (b"\0" * 30, b"\x01", b"\x42\x86", b"\xec\xff", element(0xA3, b"\0\0")):
            with self.subTest(damage=damage):
                film = matroska(FRAMES, TIMES, is_known=False) + damage

                self.assertEqual(frames_of(film), list(FRAMES))

    def test_unknown_size_of_a_block_is_no_frame(self) -> None:
        film = matroska(FRAMES, TIMES, is_known=False)
        film += element(0xA3, b"\x81\0\0\x80" + FRAMES[0], is_known=False) + unsigned(0xE7, 1)

        self.assertEqual(frames_of(film), list(FRAMES))
