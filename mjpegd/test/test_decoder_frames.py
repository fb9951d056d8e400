from mjpegd.sources.decoder_frames import NoPictureError
from mjpegd.sources.decoder_messages import DecoderLimits
from mjpegd.sources.decoder_packets import RefusedError
from mjpegd.test.decoders import ELEMENTARY, NO_CACHE, DecoderCase
from mjpegd.test.pictures import number_of
from mjpegd.test.videos import H264, video

OPEN_GOP = (("x264-params", "open-gop=1:scenecut=0:bframes=3"),)
# What FFmpeg calls a container when it reads, and a film in it.
FILMS = {
    "B-frames in MP4": ("mov", video(40)),
    "open groups of pictures": ("mov", video(60, options=OPEN_GOP)),
    "sound besides": ("mov", video(has_sound=True)),
    "fragments": (
        "mov",
        video(40, container_options=(("movflags", "frag_keyframe+empty_moov"),)),
    ),
    "Matroska": ("matroska", video(40, "matroska")),
    "VP8 with hidden frames": (
        "matroska",
        video(40, "webm", "libvpx", options=(("auto-alt-ref", "1"), ("lag-in-frames", "9"))),
    ),
    "MPEG-4 in AVI": ("avi", video(24, "avi", "mpeg4", b_frames=0)),
    "MPEG-4 with B-frames in AVI": ("avi", video(30, "avi", "mpeg4")),
    "MPEG transport stream": ("mpegts", video(40, "mpegts")),
    "no times of showing": ("avi", video(60, "avi", options=OPEN_GOP)),
}


class FrameTests(DecoderCase):
    """Each frame is the one that was asked for, whatever was asked for before."""

    def assert_exact(self, film: bytes, container: str) -> None:
        for limits in (DecoderLimits(), NO_CACHE):
            decoder = self.decoder(film, container, limits)
            count = len(self.times(decoder))
            forwards = list(range(count))
            anyhow = [number * 7 % count for number in range(count)]

            self.assertEqual(self.shown(decoder, forwards), forwards)
            self.assertEqual(self.shown(decoder, forwards[::-1]), forwards[::-1])
            self.assertEqual(self.shown(decoder, anyhow), anyhow)

    def test_in_every_container(self) -> None:
        for name, (container, film) in FILMS.items():
            with self.subTest(name=name):
                self.assert_exact(film, container)

    def test_in_an_elementary_stream(self) -> None:
        if H264 != "libx264":
            self.skipTest("this FFmpeg has no libx264")
        self.assert_exact(ELEMENTARY, "h264")

    def test_frames_of_several_places_by_turns(self) -> None:
        decoder = self.decoder(video(100, gop=50), limits=NO_CACHE)
        self.times(decoder)
        asked = [number for step in range(10) for number in (step, 30 + step, 60 + step, 80 + step)]

        self.assertEqual(self.shown(decoder, asked), asked)

    def test_places_between_the_same_key_frames_by_turns(self) -> None:
        film = video(200, gop=200, b_frames=0)
        decoded = {}
        for cursors in (1, DecoderLimits().cursors):
            decoder = self.decoder(film, limits=DecoderLimits(cached_bytes=1, cursors=cursors))
            self.times(decoder)
            self.shown(decoder, range(160, 90, -10))  # each has found its place
            before = decoder.decoded
            self.shown(decoder, range(161, 100, -10))
            decoded[cursors] = decoder.decoded - before

        self.assertLess(decoded[DecoderLimits().cursors] * 4, decoded[1], decoded)

    def test_beyond_the_end(self) -> None:
        decoder = self.decoder(video())
        self.times(decoder)

        self.assertRaises(NoPictureError, self.picture, decoder, 12)

    def test_broken_packets_cost_their_own_frames_only(self) -> None:
        film = bytearray(video(36, "matroska", gop=4, b_frames=0))
        middle = len(film) // 2
        film[middle : middle + 300] = bytes(300)
        decoder = self.decoder(bytes(film), "matroska")
        count = len(self.times(decoder))
        whole = 0
        for number in range(count):
            with self.subTest(number=number):
                try:
                    whole += number_of(self.picture(decoder, number)) == number
                except (NoPictureError, ValueError):
                    continue
        self.assertGreater(whole, 10)

    def test_cut_off(self) -> None:
        film = video(40, "matroska", gop=4, b_frames=0)
        decoder = self.decoder(film[: len(film) // 2], "matroska")
        count = len(self.times(decoder))

        self.assertGreater(count, 10)
        self.assertEqual(self.shown(decoder, range(count - 1)), list(range(count - 1)))

    def test_size_changes_in_mid_stream(self) -> None:
        film = video(12, "mpegts", "mpeg4") + video(12, "mpegts", "mpeg4", size=(96, 64))
        decoder = self.decoder(film, "mpegts")
        count = len(self.times(decoder))

        sizes = [self.picture(decoder, number).size for number in (0, count - 1)]
        self.assertEqual(count, 24)
        self.assertEqual(sizes, [(64, 48), (96, 64)])


class LimitTests(DecoderCase):
    def test_too_large(self) -> None:
        for limits in (DecoderLimits(max_side=63), DecoderLimits(max_pixels=64 * 48 - 1)):
            error = self.assertRaises(RefusedError, self.decoder, video(), "mov", limits)

            self.assertIn("64x48", str(error))

    def test_too_large_in_mid_stream(self) -> None:
        film = video(12, "mpegts", "mpeg4") + video(12, "mpegts", "mpeg4", size=(640, 480))
        decoder = self.decoder(film, "mpegts", DecoderLimits(max_pixels=320 * 240))
        self.times(decoder)

        self.assertEqual(self.shown(decoder, [2]), [2])
        self.assertRaises(NoPictureError, self.picture, decoder, 15)

    def test_takes_too_long(self) -> None:
        decoder = self.decoder(video(), limits=DecoderLimits(decode_s=-1.0))
        self.times(decoder)

        error = self.assertRaises(NoPictureError, self.picture, decoder, 5)

        self.assertIn("takes more than", str(error))
