import os
import socket
import struct
import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override

from mjpegd.sources.decoder_messages import Frames, Kind, Message, Opening, Order, Task
from mjpegd.sources.decoding import Worker
from mjpegd.test.decoders import LARGE, DecoderCase
from mjpegd.test.films import full_box, numbers
from mjpegd.test.pictures import number_of
from mjpegd.test.videos import RATE, video


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
