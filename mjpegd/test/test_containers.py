from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mjpegd.errors import MediaError
from mjpegd.sources.indexing import OtherVideoError
from mjpegd.test.films import (
    avi,
    entries_of,
    fragmented,
    frames_of,
    index_of,
    laboratory,
    matroska,
    matroska_track,
    multipart,
    opendml_avi,
    pictures,
    quicktime,
    sample_description,
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
            b"Dear diary,\n": "no container that is known, and no JPEG near its beginning",
            b"%PDF-1.7" + FRAMES[0]: "PDF document; no film that is served",
            b"RIFF\0\0\0\0WAVE": "RIFF file that is not AVI; no film that is served",
            (b"G" + bytes(187)) * 3: "MPEG transport stream; only MJPEG is served",
        }
        for content, reason in others.items():
            with self.subTest(reason=reason):
                error = self.assertRaises(MediaError, index_of, content)

                self.assertEqual(str(error), reason)


class OtherVideoTests(SynchronousTestCase):
    """Films that have to be decoded: which demuxer they are for is ours to say."""

    def test_are_named_for_the_decoder(self) -> None:
        packet = b"G" + bytes(187)
        others = [
            (avi(FRAMES, code=b"H264"), "AVI", "avi"),
            (quicktime(FRAMES, stsd=sample_description(b"avc1")), "QuickTime/MP4", "mov"),
            (
                matroska(FRAMES, TIMES, matroska_track(codec=b"V_VP9")),
                "Matroska",
                "matroska",
            ),
            (packet * 3, "MPEG transport stream", "mpegts"),
            ((bytes(4) + packet) * 3, "MPEG transport stream", "mpegts"),
            (packet * 3 + FRAMES[0], "MPEG transport stream", "mpegts"),
            (b"\0\0\x01\xba" + bytes(99), "MPEG program stream", "mpeg"),
            (b"FLV\x01\x05", "Flash video", "flv"),
            (b"OggS\0", "Ogg", "ogg"),
            (b"\x30\x26\xb2\x75\x8e", "Windows Media", "asf"),
            (b"\0\0\0\x01\x67\x64", "elementary H.264 stream", "h264"),
            (b"\0\0\x01\x09\x10", "elementary H.264 stream", "h264"),
            (b"\0\0\0\x01\x40\x01", "elementary H.265 stream", "hevc"),
        ]
        for film, kind, name in others:
            with self.subTest(kind=kind):
                error = self.assertRaises(OtherVideoError, index_of, film)

                self.assertEqual((error.kind, error.format), (kind, name))

    def test_texts_are_no_films(self) -> None:
        for text in (
            b"ffconcat version 1.0\nfile secret.mp4\n",
            b"#EXTM3U\n#EXTINF:1,\nsecret.ts\n",
            b"v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\nm=video 9 RTP/AVP 96\r\n",
            b"<?xml version='1.0'?><MPD/>",
        ):
            with self.subTest(text=text[:8]):
                error = self.assertRaises(MediaError, index_of, text)

                self.assertNotIsInstance(error, OtherVideoError)


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
