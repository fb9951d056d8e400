from collections.abc import Sequence
from io import BytesIO
from itertools import pairwise

import av
from av.container import InputContainer

from mjpegd.test.decoders import ELEMENTARY, NO_CACHE, DecoderCase
from mjpegd.test.films import element, matroska, matroska_track, unsigned
from mjpegd.test.videos import H264, RATE, SIZE, video


def packets(film: bytes) -> list[bytes]:
    """What the frames of a film look like in it, in the order of the file."""
    with av.open(BytesIO(film), "r") as container:
        assert isinstance(container, InputContainer)
        return [bytes(packet) for packet in container.demux(video=0) if packet.size]


def vp8(frames: Sequence[bytes], stamps: Sequence[int]) -> bytes:
    """A Matroska file of VP8 with these times, in milliseconds."""
    size = element(0xE0, unsigned(0xB0, SIZE[0]) + unsigned(0xBA, SIZE[1]))
    tracks = (
        matroska_track(codec=b"V_VP8", more=size),
        matroska_track(2, 17, b"S_TEXT/UTF8"),
    )
    return matroska(frames, stamps, *tracks)


class DemuxerTests(DecoderCase):
    def test_texts_in_the_film_may_be_in_any_encoding(self) -> None:
        film = video()
        latin_1 = film.replace(b"Lavf", "é°ÿþ".encode("latin-1"))
        self.assertNotEqual(latin_1, film)

        self.assertEqual(self.decoder(latin_1).opening().rate, RATE)


class TimeTests(DecoderCase):
    def test_as_the_file_has_them(self) -> None:
        times = (0, 0.04, 0.1, 0.5, 0.52, 2.0)

        found = self.times(self.decoder(video(6, "matroska", times=times), "matroska"))

        self.assertEqual([round(seconds, 3) for seconds in found], list(times))

    def test_what_an_edit_list_cuts_off_is_not_shown(self) -> None:
        film = video(
            40, starts_s=-0.4, gop=40, container_options=(("avoid_negative_ts", "disabled"),)
        )
        decoder = self.decoder(film)

        times = self.times(decoder)

        self.assertEqual(len(times), 30)
        self.assertEqual(self.shown(decoder, [0, 29, 1]), [10, 39, 11])

    def test_hidden_frames_take_no_time(self) -> None:
        frames = packets(video(8, "webm", "libvpx", b_frames=0))
        frames[3] = bytes([frames[3][0] & ~0x10]) + frames[3][1:]
        decoder = self.decoder(vp8(frames, range(0, 320, 40)), "matroska")

        self.assertEqual(len(self.times(decoder)), 7)
        self.assertEqual(self.shown(decoder, [0, 2, 3]), [0, 2, 4])

    def test_always_grow(self) -> None:
        frames = packets(video(8, "webm", "libvpx", b_frames=0))
        stamps = [0, 40, 40, 40, 30, 120, 121, 160]
        times = self.times(self.decoder(vp8(frames, stamps), "matroska"))

        self.assertEqual(len(times), 8)
        self.assertTrue(all(earlier < later for earlier, later in pairwise(times)), times)

    def test_clock_that_was_set_goes_on(self) -> None:
        film = video(36, "mpegts", "mpeg4") * 2
        decoder = self.decoder(film, "mpegts", NO_CACHE)

        times = self.times(decoder)

        self.assertEqual(len(times), 72)
        self.assertEqual({round(later - earlier, 3) for earlier, later in pairwise(times)}, {0.04})
        asked = [number * 29 % 72 for number in range(72)]
        self.assertEqual(self.shown(decoder, asked), [number % 36 for number in asked])

    def test_long_gap_is_a_fault_of_the_clock_in_a_transport_stream_only(self) -> None:
        moments_s = (0, 0.04, 0.08, 40, 40.04, 40.08)
        for container, gap_s in (("mpegts", 0.04), ("matroska", 39.92)):
            film = video(6, container, "mpeg4", times=moments_s, b_frames=0)
            times = self.times(self.decoder(film, container))

            self.assertEqual(round(times[3] - times[2], 2), gap_s, container)

    def test_elementary_streams_have_none(self) -> None:
        if H264 != "libx264":
            self.skipTest("this FFmpeg has no libx264")
        self.assertFalse(self.decoder(ELEMENTARY, "h264").opening().timed)
