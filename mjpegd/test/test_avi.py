import struct
from fractions import Fraction

from twisted.trial.unittest import SynchronousTestCase

from mjpegd.errors import MediaError
from mjpegd.sources.containers import index as index_reader
from mjpegd.test.films import (
    BytesReader,
    avi,
    avi_header,
    avi_track,
    chunk,
    entries_of,
    frames_of,
    index_of,
    opendml_avi,
    pictures,
    seconds_of,
)

FRAMES = pictures(7)


def reads_for(film: bytes) -> int:
    reader = BytesReader(film)
    entries_of(index_reader(reader), reader.size)
    return reader.reads


class AviTests(SynchronousTestCase):
    def test_kind_and_rate(self) -> None:
        index = index_of(avi(FRAMES, rate=(30000, 1001)))

        self.assertEqual(index.kind, "AVI")
        self.assertEqual(index.rate, Fraction(30000, 1001))

    def test_rate_of_the_whole_film_where_the_track_has_none(self) -> None:
        for rate in ((0, 0), (25, 0), (0, 1), (0xFFFFFFFF, 1)):
            with self.subTest(rate=rate):
                self.assertEqual(index_of(avi(FRAMES, rate=rate)).rate, 25)

    def test_no_rate_at_all(self) -> None:
        header = avi_header(avi_track(rate=(0, 0)), frame_us=0)
        movi = chunk(b"LIST", b"movi" + chunk(b"00dc", FRAMES[0]))
        film = chunk(b"RIFF", b"AVI " + header + movi)

        self.assertIsNone(index_of(film).rate)
        self.assertEqual(seconds_of(film), [None])

    def test_first_mjpeg_track_is_taken(self) -> None:
        header = avi_header(avi_track(b"auds"), avi_track(code=b"H264"), avi_track(code=b"mjpg"))
        chunks = chunk(b"00wb", b"sound") + chunk(b"01dc", b"other") + chunk(b"02db", FRAMES[0])
        film = chunk(b"RIFF", b"AVI " + header + chunk(b"LIST", b"movi" + chunks))

        self.assertEqual(frames_of(film), [FRAMES[0]])

    def test_other_codecs_are_named(self) -> None:
        for code, name in ((b"H264", "H.264"), (b"XVID", "MPEG-4"), (b"a\x07\xff)", "a??)")):
            with self.subTest(code=code):
                error = self.assertRaises(MediaError, index_of, avi(FRAMES, code=code))

                self.assertEqual(str(error), f"{name} video; only MJPEG is served")

    def test_handler_counts_where_the_format_is_silent(self) -> None:
        track = avi_track().replace(struct.pack("<HH4s", 1, 24, b"MJPG"), bytes(8))
        movi = chunk(b"LIST", b"movi" + chunk(b"00dc", FRAMES[0]))

        self.assertEqual(frames_of(chunk(b"RIFF", b"AVI " + avi_header(track) + movi)), [FRAMES[0]])

    def test_without_video(self) -> None:
        for film in (
            chunk(b"RIFF", b"AVI " + avi_header(avi_track(b"auds")) + chunk(b"LIST", b"movi")),
            chunk(b"RIFF", b"AVI " + avi_header(avi_track())),
            chunk(b"RIFF", b"AVI "),
        ):
            self.assertRaises(MediaError, index_of, film)


class PlaceTests(SynchronousTestCase):
    def test_frames_in_every_form(self) -> None:
        forms = {
            "index": avi(FRAMES),
            "index from behind the name": avi(FRAMES, idx1_base="data"),
            "index from the start of the file": avi(FRAMES, idx1_base="file"),
            "no index": avi(FRAMES, idx1_base=None),
            "unfinished": avi(FRAMES, idx1_base=None, is_finished=False),
            "rec lists": avi(FRAMES, sound=b"sound", in_rec_lists=True),
            "rec lists without index": avi(FRAMES, in_rec_lists=True, idx1_base=None),
            "sound": avi(FRAMES, sound=b"sound"),
            "sound without index": avi(FRAMES, sound=b"sound", idx1_base=None),
            "OpenDML": opendml_avi([FRAMES[:3], FRAMES[3:5], FRAMES[5:]]),
            "OpenDML without index": opendml_avi([FRAMES[:3], FRAMES[3:]], has_index=False),
        }
        for form, film in forms.items():
            with self.subTest(form=form):
                self.assertEqual(frames_of(film), list(FRAMES))

    def test_index_spares_reads(self) -> None:
        frames = FRAMES * 20

        self.assertLess(reads_for(avi(frames)), 30)
        self.assertLess(reads_for(opendml_avi([frames, frames])), 40)
        self.assertGreater(reads_for(avi(frames, idx1_base=None)), len(frames))

    def test_wrong_index_is_not_believed(self) -> None:
        film = avi(FRAMES)
        row = film.index(b"00dc", film.index(b"idx1"))
        for wrong_at in (row + 8, row + 12, len(film) - 8, len(film) - 4):
            with self.subTest(wrong_at=wrong_at):
                wrong = film[:wrong_at] + b"\x55" + film[wrong_at + 1 :]

                self.assertEqual(frames_of(wrong), list(FRAMES))

    def test_wrong_opendml_index_is_not_believed(self) -> None:
        film = opendml_avi([FRAMES[:3], FRAMES[3:]])
        at = film.index(b"indx")
        leaf = film.index(b"ix00")
        for wrong_at in (at + 12, at + 32, at + 33, leaf + 8, leaf + 11, leaf + 12, leaf + 33):
            with self.subTest(wrong_at=wrong_at - at):
                wrong = film[:wrong_at] + b"\x55" + film[wrong_at + 1 :]

                self.assertEqual(frames_of(wrong), list(FRAMES))

    def test_opendml_index_cut_off(self) -> None:
        film = opendml_avi([FRAMES[:3], FRAMES[3:]])
        leaf = film.rindex(b"ix00")
        for end in (leaf + 20, leaf + 44, len(film) - 4):
            with self.subTest(end=end - leaf):
                self.assertEqual(frames_of(film[:end]), list(FRAMES))

    def test_parts_that_the_old_index_does_not_know_are_walked(self) -> None:
        more = chunk(b"RIFF", b"AVIX" + chunk(b"LIST", b"movi" + chunk(b"00dc", FRAMES[6])))

        self.assertEqual(frames_of(avi(FRAMES[:6]) + more), list(FRAMES))

    def test_index_of_one_level(self) -> None:
        at = 12 + len(avi_header(avi_track(more=chunk(b"indx", bytes(24 + 8))))) + 8
        indx = struct.pack("<HBBI4sQ4x", 2, 0, 1, 1, b"00dc", at)
        indx += struct.pack("<II", 12, len(FRAMES[0]) | 1 << 31)
        header = avi_header(avi_track(more=chunk(b"indx", indx)))
        movi = chunk(b"LIST", b"movi" + chunk(b"00dc", FRAMES[0]))

        self.assertEqual(frames_of(chunk(b"RIFF", b"AVI " + header + movi)), [FRAMES[0]])

    def test_index_cut_off(self) -> None:
        film = avi(FRAMES)
        for lost in (1, 16, 24, 16 * len(FRAMES) + 4):
            with self.subTest(lost=lost):
                self.assertEqual(frames_of(film[:-lost]), list(FRAMES))

    def test_cut_off_in_a_frame(self) -> None:
        film = avi(FRAMES, idx1_base=None)

        self.assertEqual(frames_of(film[:-100]), list(FRAMES[:-1]))

    def test_damage_is_passed_over(self) -> None:
        for damage in (b"\0", b"\0" * 5000, b"\xff\0" * 100_000):
            with self.subTest(damage=len(damage)):
                film = avi(FRAMES[:3], idx1_base=None) + damage + chunk(b"00dc", FRAMES[3])

                self.assertEqual(frames_of(film), list(FRAMES[:4]))

    def test_missing_pad_byte_is_passed_over(self) -> None:
        odd = FRAMES[1] + b"\0" * (1 - len(FRAMES[1]) % 2)
        film = avi([FRAMES[0], odd, FRAMES[2]], idx1_base=None).replace(odd + b"\0", odd)

        self.assertEqual(frames_of(film), [FRAMES[0], odd, FRAMES[2]])

    def test_damage_to_the_end(self) -> None:
        film = avi(FRAMES[:3], idx1_base=None) + b"\xff" * 3_000_000

        self.assertEqual(frames_of(film), list(FRAMES[:3]))


class DroppedFrameTests(SynchronousTestCase):
    def test_picture_before_an_empty_chunk_stays_for_its_time(self) -> None:
        frames = [FRAMES[0], b"", b"", FRAMES[1], FRAMES[2], b"", FRAMES[3]]
        for idx1_base in ("movi", None):
            with self.subTest(idx1_base=idx1_base):
                film = avi(frames, rate=(10, 1), idx1_base=idx1_base)

                self.assertEqual(frames_of(film), list(FRAMES[:4]))
                self.assertEqual(seconds_of(film), [0.0, 0.3, 0.4, 0.6])

    def test_times_go_on_over_a_long_film(self) -> None:
        frames = [FRAMES[0], b"", b""] * 100
        for idx1_base in ("movi", None):
            with self.subTest(idx1_base=idx1_base):
                film = avi(frames, rate=(10, 1), idx1_base=idx1_base)

                self.assertEqual(seconds_of(film), [3 * n / 10 for n in range(100)])
