import os
import socket
import struct
import subprocess
import sys
from collections.abc import Sequence
from fractions import Fraction
from io import BytesIO
from itertools import pairwise
from pathlib import Path

import av
from av.container import InputContainer
from av.video.frame import VideoFrame
from PIL import Image
from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override

from mjpegd.sources.decoder_messages import (
    DecoderLimits,
    Frames,
    Kind,
    Message,
    MessageSplitter,
    Opening,
    Order,
    Task,
)
from mjpegd.sources.decoding import NoPictureError, RefusedError, VideoDecoder, Worker
from mjpegd.test.films import element, full_box, matroska, matroska_track, numbers, unsigned
from mjpegd.test.pictures import number_of
from mjpegd.test.videos import H264, RATE, SIZE, encoded, turned, video
from mjpegd.wire.jpeg_frame import rtp_frame
from mjpegd.wire.jpeg_image import JpegImage

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
ELEMENTARY = video(40, "h264" if H264 == "libx264" else "m4v")
# No more is kept than the frame that was asked for.
NO_CACHE = DecoderLimits(cached_bytes=1)
LARGE = 2040


class DecoderCase(SynchronousTestCase):
    def descriptor(self, film: bytes) -> int:
        """A file of this test."""
        path = Path(self.mktemp())
        path.write_bytes(film)
        descriptor = os.open(path, os.O_RDONLY)
        self.addCleanup(os.close, descriptor)
        return descriptor

    def decoder(
        self, film: bytes, container: str = "mov", limits: DecoderLimits | None = None
    ) -> VideoDecoder:
        return VideoDecoder(self.descriptor(film), Task(container, limits or DecoderLimits()))

    def times(self, decoder: VideoDecoder) -> list[float]:
        """The times of all frames."""
        seconds: list[float] = []
        while not decoder.index.complete:
            seconds += decoder.index.next_batch(1.0).seconds
        return seconds

    def picture(
        self, decoder: VideoDecoder, number: int, width: int = LARGE, height: int = LARGE
    ) -> Image.Image:
        jpeg = decoder.picture(Order(number, width, height, 90))
        return Image.open(BytesIO(jpeg))

    def shown(self, decoder: VideoDecoder, asked: Sequence[int]) -> list[int]:
        """The numbers that the frames show which are asked for."""
        return [number_of(self.picture(decoder, number)) for number in asked]


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


def patch(luma: int, blue: int, red: int, size: tuple[int, int]) -> VideoFrame:
    """A picture of one colour."""
    frame = VideoFrame(*size, "yuv420p")
    for plane, value in zip(frame.planes, (luma, blue, red), strict=True):
        plane.update(bytes([value]) * plane.buffer_size)
    return frame


class PictureTests(DecoderCase):
    @override
    def decoder(
        self, film: bytes, container: str = "mov", limits: DecoderLimits | None = None
    ) -> VideoDecoder:
        """One that knows its frames."""
        decoder = super().decoder(film, container, limits)
        self.times(decoder)
        return decoder

    def test_can_go_out_as_they_are(self) -> None:
        jpeg = self.decoder(video()).picture(Order(0, LARGE, LARGE, 85))

        self.assertEqual(rtp_frame(JpegImage.parse(jpeg)).type, 1)

    def test_no_larger_than_the_film(self) -> None:
        self.assertEqual(self.picture(self.decoder(video()), 3).size, SIZE)

    def test_fitted_into_what_is_asked_for(self) -> None:
        decoder = self.decoder(video())
        for width, height, size in (
            (32, LARGE, (32, 24)),
            (LARGE, 36, (48, 36)),
            (40, 18, (24, 18)),
            (1, 1, (16, 16)),
        ):
            with self.subTest(width=width, height=height):
                self.assertEqual(self.picture(decoder, 3, width, height).size, size)

    def test_quality(self) -> None:
        decoder = self.decoder(video())

        sizes = [len(decoder.picture(Order(0, LARGE, LARGE, quality))) for quality in (1, 50, 100)]

        self.assertEqual(sizes, sorted(set(sizes)))

    def test_pixels_that_are_not_square(self) -> None:
        for shape, width in ((Fraction(4, 3), 85), (Fraction(1, 2), 32), (Fraction(50), 64)):
            with self.subTest(shape=shape):
                decoder = self.decoder(video(1, codec="mpeg4", pixel_shape=shape))

                self.assertEqual(self.picture(decoder, 0).size, (width, 48))

    def test_turned(self) -> None:
        decoder = self.decoder(turned(video(1)))
        picture = self.picture(decoder, 0)
        if picture.size == SIZE and not hasattr(VideoFrame, "rotation"):
            self.skipTest("this PyAV tells no rotation")
        self.assertEqual(picture.size, SIZE[::-1])
        # As it was before: turned back.
        self.assertEqual(number_of(picture.transpose(Image.Transpose.ROTATE_90)), 0)

    def test_colours_by_what_the_height_says(self) -> None:
        for size, red in (((64, 48), (81, 90, 240)), ((1280, 720), (63, 102, 240))):
            with self.subTest(size=size):
                film = encoded([patch(*red, size)], "mp4", "mpeg4")

                shown = self.picture(self.decoder(film), 0).getpixel((20, 20))

                assert isinstance(shown, tuple)
                for got, wanted in zip(shown, (255, 0, 0), strict=True):
                    self.assertLess(abs(got - wanted), 10, shown)

    def test_too_large(self) -> None:
        for limits in (DecoderLimits(max_side=63), DecoderLimits(max_pixels=64 * 48 - 1)):
            error = self.assertRaises(RefusedError, self.decoder, video(), "mov", limits)

            self.assertIn("64x48", str(error))

    def test_too_large_in_mid_stream(self) -> None:
        film = video(12, "mpegts", "mpeg4") + video(12, "mpegts", "mpeg4", size=(640, 480))
        decoder = self.decoder(film, "mpegts", DecoderLimits(max_pixels=320 * 240))

        self.assertEqual(self.shown(decoder, [2]), [2])
        self.assertRaises(NoPictureError, self.picture, decoder, 15)

    def test_takes_too_long(self) -> None:
        decoder = self.decoder(video(), limits=DecoderLimits(decode_s=-1.0))

        error = self.assertRaises(NoPictureError, self.picture, decoder, 5)

        self.assertIn("takes more than", str(error))


class WorkerTests(DecoderCase):
    def worker(self, film: bytes, container: str = "mov") -> Worker:
        return Worker(self.descriptor(film), Task(container))

    def test_tells_what_the_film_is(self) -> None:
        (opened,) = self.worker(video(codec="mpeg4")).open()

        self.assertEqual(Opening.parse(opened.body), Opening("MPEG-4", RATE, timed=True))

    def test_tells_the_frames_until_there_are_no_more(self) -> None:
        worker = self.worker(video())
        list(worker.open())
        count = 0
        while not worker.is_idle:
            for message in worker.work():
                count += len(Frames.parse(message.body).seconds)

        self.assertEqual(count, 12)
        self.assertEqual(list(worker.work()), [])

    def test_answers_in_the_order_of_arrival(self) -> None:
        worker = self.worker(video())
        list(worker.open())
        frames = 0
        for tag, number in ((7, 3), (8, 99), (9, 0)):
            order = Order(number, LARGE, LARGE, 85).to_bytes()
            worker.receive(Message(Kind.RENDER, tag, order).to_bytes())
        answers = []
        while not worker.is_idle:
            for message in worker.work():
                if message.kind is Kind.FRAMES:
                    frames += len(Frames.parse(message.body).seconds)
                else:
                    answers.append(message)

        self.assertEqual(frames, 12)
        self.assertEqual(
            [(answer.kind, answer.tag) for answer in answers],
            [
                (Kind.PICTURE, 7),
                (Kind.BROKEN, 8),
                (Kind.PICTURE, 9),
            ],
        )
        self.assertEqual(number_of(answers[0].body), 3)
        self.assertIn("shorter", answers[1].text)

    def test_what_is_no_film_is_refused(self) -> None:
        silent = video().replace(b"vide", b"soun")
        for film in (b"", b"nothing", bytes(5000), video()[:500], silent):
            with self.subTest(film=film[:8]):
                (refused,) = self.worker(film).open()

                self.assertEqual(refused.kind, Kind.REFUSED)
                self.assertTrue(refused.text)


class HostileTests(DecoderCase):
    """A film leads nowhere: to no file, to no connection."""

    @override
    def setUp(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(self.listener.close)
        self.listener.setblocking(False)
        self.port = self.listener.getsockname()[1]
        # Who opens this waits for a writer, who never comes.
        self.trap = Path(self.mktemp()).absolute()
        os.mkfifo(self.trap)

    def scripts(self) -> dict[str, bytes]:
        trap, url = str(self.trap), f"tcp://127.0.0.1:{self.port}/"
        return {
            "ffconcat": f"ffconcat version 1.0\nfile '{trap}'\nfile '{url}'\n".encode(),
            "HLS": f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{trap}\n{url}\n".encode(),
            "SDP": (
                "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
                f"m=video {self.port} RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"
            ).encode(),
            "DASH": f"<MPD><BaseURL>{url}</BaseURL></MPD>".encode(),
            "reference": self.referring(),
        }

    def referring(self) -> bytes:
        """An MP4 whose samples lie in another file."""
        # A Macintosh alias: volume and file, then the absolute path, then its end.
        name = os.fsencode(self.trap)
        volume = b"\x04disk".ljust(28, b"\0") + bytes(12) + b"\x04film".ljust(64, b"\0") + bytes(16)
        path = struct.pack(">hh", 2, len(name)) + name + bytes(len(name) % 2) + b"\xff\xff\0\0"
        alias = full_box(b"alis", "", table=bytes(10) + volume + bytes(20) + path)
        film = video(codec="mpeg4", b_frames=0)
        inside = full_box(b"url ", "", flags=1)
        at = film.index(inside)
        # The boxes around it grow with it.
        grown = bytearray(film[:at] + alias + film[at + len(inside) :])
        for kind in (b"moov", b"trak", b"mdia", b"minf", b"dinf", b"dref"):
            place = grown.index(kind) - 4
            size = int.from_bytes(grown[place : place + 4], "big") + len(alias) - len(inside)
            grown[place : place + 4] = numbers([size])
        return bytes(grown)

    def test_opens_nothing(self) -> None:
        for name, script in self.scripts().items():
            for container in ("mov", "matroska", "avi", "mpegts", "flv"):
                with self.subTest(name=name, container=container):
                    worker = Worker(self.descriptor(script), Task(container))
                    list(worker.open())
                    worker.receive(
                        Message(Kind.RENDER, 1, Order(0, LARGE, LARGE, 85).to_bytes()).to_bytes()
                    )
                    answers = list(worker.work())

                    self.assertNotIn(Kind.PICTURE, [answer.kind for answer in answers])
                    self.assertRaises(BlockingIOError, self.listener.accept)

    def test_names_of_other_formats_are_no_way_round(self) -> None:
        for name in ("concat", "hls", "sdp", "dash", "image2", "lavfi", "rtsp", "tee"):
            with self.subTest(name=name):
                (message,) = Worker(self.descriptor(video()), Task(name)).open()

                self.assertEqual(message.kind, Kind.REFUSED)


_WITHOUT_RIGHTS = """
import os, socket, sys
from mjpegd.sources.decoder_messages import DecoderLimits
from mjpegd.sources.decoding import give_up_rights
os.dup2(0, 3)
give_up_rights(DecoderLimits())
for attempt in (
    lambda: open("/dev/null"),
    lambda: os.open(os.curdir, os.O_RDONLY),
    lambda: socket.socket(),
    lambda: os.dup(0),
    lambda: os.pipe(),
    lambda: bytearray(1 << 30),
):
    try:
        attempt()
    except (OSError, MemoryError) as refusal:
        os.write(1, type(refusal).__name__.encode() + b" ")
    else:
        os.write(1, b"allowed ")
"""


class RightsTests(SynchronousTestCase):
    def test_given_up_for_good(self) -> None:
        done = subprocess.run(
            [sys.executable, "-c", _WITHOUT_RIGHTS],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )

        self.assertEqual(done.stdout.split(), [b"OSError"] * 5 + [b"MemoryError"], done.stderr)


class MessageTests(SynchronousTestCase):
    MESSAGES = (
        Message(Kind.OPENED, body=Opening("H.264", Fraction(30000, 1001), timed=True).to_bytes()),
        Message(Kind.PICTURE, 2**32 - 1, b"\xff\xd8" * 700),
        Message(Kind.REFUSED, body=b"no"),
    )

    def test_in_portions_of_any_size(self) -> None:
        data = b"".join(message.to_bytes() for message in self.MESSAGES)
        for size in (1, 7, len(data)):
            with self.subTest(size=size):
                splitter = MessageSplitter()
                found = [
                    message
                    for at in range(0, len(data), size)
                    for message in splitter.feed(data[at : at + size])
                ]

                self.assertEqual(found, list(self.MESSAGES))

    def test_there_and_back(self) -> None:
        order = Order(2**32 - 1, 2040, 16, 100)
        opening = Opening("VP8", None, timed=False)
        task = Task("mov", DecoderLimits(decode_s=0.5), 99)

        self.assertEqual(Order.parse(order.to_bytes()), order)
        self.assertEqual(Opening.parse(opening.to_bytes()), opening)
        self.assertEqual(Task.parse(task.to_text()), task)
