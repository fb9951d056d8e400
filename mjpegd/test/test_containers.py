from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mjpegd.errors import MediaError
from mjpegd.test.films import (
    avi,
    entries_of,
    fragmented,
    frames_of,
    index_of,
    laboratory,
    matroska,
    multipart,
    opendml_avi,
    pictures,
    quicktime,
)

FRAMES = pictures(5)
TIMES = range(0, 200, 40)
FILMS = [
    ("laboratory .Mjpeg", laboratory(FRAMES)),
    ("concatenated JPEG", b"".join(FRAMES)),
    ("multipart JPEG", multipart(FRAMES, stamps=["1", "2", "3", "4", "5"])),
    ("AVI", avi(FRAMES, sound=b"sound")),
    ("AVI", avi(FRAMES, in_rec_lists=True, idx1_base=None)),
    ("AVI", opendml_avi([FRAMES[:2], FRAMES[2:]])),
    ("QuickTime/MP4", quicktime(FRAMES)),
    ("QuickTime/MP4", quicktime(FRAMES, moov_first=True, is_wide=True)),
    ("QuickTime/MP4", fragmented([FRAMES[:2], FRAMES[2:]])),
    ("Matroska", matroska(FRAMES, TIMES)),
    ("Matroska", matroska(FRAMES, TIMES, is_known=False, in_groups=True)),
]
films = st.sampled_from([film for _, film in FILMS])


class RecognitionTests(SynchronousTestCase):
    def test_by_content(self) -> None:
        for kind, film in FILMS:
            with self.subTest(kind=kind):
                self.assertEqual(index_of(film).kind, kind)
                self.assertEqual(frames_of(film), list(FRAMES))

    def test_others_are_named(self) -> None:
        others = {
            b"": "empty file",
            b"Dear diary,\n": "no JPEG near its beginning",
            b"%PDF-1.7" + FRAMES[0]: "PDF document; only MJPEG is served",
            b"RIFF\0\0\0\0WAVE": "RIFF file that is not AVI; only MJPEG is served",
            (b"G" + bytes(187)) * 3: "MPEG transport stream; only MJPEG is served",
        }
        for content, reason in others.items():
            with self.subTest(reason=reason):
                error = self.assertRaises(MediaError, index_of, content)

                self.assertEqual(str(error), reason)


class DamageTests(SynchronousTestCase):
    """Whatever a file says: an honest refusal, or frames that lie within it."""

    def assert_sane(self, data: bytes) -> None:
        try:
            entries = entries_of(index_of(data), len(data))
        except MediaError:
            return
        for entry in entries:
            self.assertLessEqual(0, entry.offset)
            self.assertLessEqual(entry.offset + entry.size, len(data))
            self.assertIsInstance(entry.seconds, float | None)

    @given(films, st.integers(0, 10_000))
    def test_cut_off(self, film: bytes, length: int) -> None:
        self.assert_sane(film[:length])

    @given(films, st.data())
    def test_changed_bytes(self, film: bytes, data: st.DataObject) -> None:
        damaged = bytearray(film)
        # Headers and indexes stand at the ends.
        places = st.one_of(st.integers(0, 700), st.integers(-500, -1))
        for _ in range(data.draw(st.integers(1, 8))):
            at = data.draw(places) % len(film)
            damaged[at] = data.draw(st.sampled_from((0, 1, 0x7F, 0x80, 0xFF)))

        self.assert_sane(bytes(damaged))

    @given(films, st.integers(0, 10_000), st.binary(max_size=40))
    def test_inserted_bytes(self, film: bytes, at: int, junk: bytes) -> None:
        self.assert_sane(film[:at] + junk + film[at:])

    @given(films, films, st.integers(0, 2000))
    def test_one_film_in_another(self, film: bytes, other: bytes, at: int) -> None:
        self.assert_sane(film[:at] + other)

    @given(
        st.sampled_from((b"RIFF\0\0\0\0AVI ", b"\x1a\x45\xdf\xa3\x80", b"\0\0\0\x08ftyp")),
        st.binary(),
    )
    def test_anything_behind_a_signature(self, signature: bytes, rest: bytes) -> None:
        self.assert_sane(signature + rest)
