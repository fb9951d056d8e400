"""The contracts of the interfaces, kept by the real implementations and by the fakes alike."""

import socket
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import cast

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override
from zope.interface.verify import verifyObject

from mjpegd.encryption.srtp import Guard
from mjpegd.interfaces import IFrameSource, ILiveSource, IPacketSender, IRenderedSource
from mjpegd.senders.backlog import Backlog
from mjpegd.senders.interleaved import InterleavedSender
from mjpegd.senders.media_socket import MediaSocket, can_segment
from mjpegd.senders.secure import SecureSender
from mjpegd.senders.udp import UDPSender
from mjpegd.sources.film import Film
from mjpegd.sources.images import ImageFolder
from mjpegd.sources.indexing import OtherVideoError
from mjpegd.sources.pattern import TestCard
from mjpegd.sources.video import DecoderReactor, Decoders, VideoFilm
from mjpegd.test import films
from mjpegd.test.contracts import LiveContract, SenderContract, SourceContract
from mjpegd.test.encryption import session
from mjpegd.test.fakes import (
    DescriptorReactor,
    FakeFilm,
    FakeLive,
    RecordingSender,
    at_once,
    small_picture,
)
from mjpegd.test.processes import FakeProcesses
from mjpegd.test.videos import video
from mjpegd.wire.messages import InterleavedFrame
from mjpegd.wire.mikey import Suite
from mjpegd.wire.packets import RTPPacket
from mjpegd.wire.reports import compound

RATE = Fraction(24)


class FakeFilmContractTests(SourceContract, SynchronousTestCase):
    @override
    def make_source(self) -> IFrameSource:
        return IFrameSource(FakeFilm(5))


class FakeVariableFilmContractTests(SourceContract, SynchronousTestCase):
    @override
    def make_source(self) -> IFrameSource:
        return IFrameSource(FakeFilm(seconds=[0, 0.04, 0.1, 0.5]))


class FilmContractTests(SourceContract, SynchronousTestCase):
    """A film in the laboratory's form; its kin differ in their index only."""

    content = films.laboratory(films.pictures(5))

    @override
    def make_source(self) -> IFrameSource:
        path = Path(self.mktemp())
        path.write_bytes(self.content)
        film = self.successResultOf(Film.open(path, "film", RATE, at_once))
        self.addCleanup(film.close)
        return IFrameSource(film)


class AviContractTests(FilmContractTests):
    content = films.avi(films.pictures(5))


class VariableFilmContractTests(FilmContractTests):
    content = films.matroska(films.pictures(4), [0, 40, 100, 500])


class StillContractTests(FilmContractTests):
    content = small_picture(1)


class ImageFolderContractTests(SourceContract, SynchronousTestCase):
    @override
    def make_source(self) -> IFrameSource:
        folder = Path(self.mktemp()).absolute()
        folder.mkdir()
        for number, jpeg in enumerate(films.pictures(5)):
            (folder / f"{number}.jpg").write_bytes(jpeg)
        opened = ImageFolder.open(folder, folder, "folder", RATE, at_once)
        return IFrameSource(self.successResultOf(opened))


class VideoContractTests(SourceContract, SynchronousTestCase):
    """A film that is decoded, by a process that works at once."""

    @override
    def make_source(self) -> IFrameSource:
        path = Path(self.mktemp())
        path.write_bytes(video(12))
        processes = FakeProcesses(works_at_once=True)
        decoders = Decoders(cast(DecoderReactor, processes))
        what = OtherVideoError("H.264 video", "QuickTime/MP4", "mov")
        opening = VideoFilm.open(path, "film", what, RATE, at_once, decoders)
        film = self.successResultOf(opening)
        self.addCleanup(processes.bury)
        self.addCleanup(film.close)
        return IFrameSource(film)

    def test_is_a_rendered_source(self) -> None:
        self.assertTrue(verifyObject(IRenderedSource, self.make_source()))


class FakeLiveContractTests(LiveContract, SynchronousTestCase):
    @override
    def make_live(self) -> ILiveSource:
        self.live = FakeLive()
        self.moment_s = 0.0
        return ILiveSource(self.live)

    @override
    def next_frame(self) -> None:
        self.moment_s += 0.04
        self.live.push(small_picture(1), self.moment_s)


class CardContractTests(LiveContract, SynchronousTestCase):
    @override
    def make_live(self) -> ILiveSource:
        self.clock = Clock()
        return ILiveSource(TestCard(self.clock, self.clock.seconds, at_once))

    @override
    def next_frame(self) -> None:
        self.clock.advance(0.04)


class RecordingSenderContractTests(SenderContract, SynchronousTestCase):
    @override
    def make_sender(self) -> IPacketSender:
        self.sender = RecordingSender()
        return IPacketSender(self.sender)

    @override
    def arrived(self) -> list[bytes]:
        return [packet.to_bytes() for train in self.sender.trains for packet in train]

    @override
    def reports_arrived(self) -> list[bytes]:
        return [compound(*reports) for reports in self.sender.reports]


class RecordingSenderOfInterleavedTests(RecordingSenderContractTests):
    interleaved = True

    def test_tells_the_channel(self) -> None:
        self.make_sender().send_train(self.train(), 0.0)

        self.assertEqual(self.sender.channels, [0])


def datagrams(sock: socket.socket) -> Iterator[bytes]:
    """What has arrived."""
    while True:
        try:
            yield sock.recv(65_536)
        except BlockingIOError:
            return


class UDPSenderOverLoopbackContractTests(SenderContract, SynchronousTestCase):
    """Real sockets: what is proven of a fake kernel says little."""

    segments = False

    @override
    def make_sender(self) -> IPacketSender:
        sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(4)]
        for sock in sockets:
            self.addCleanup(sock.close)
            sock.bind(("127.0.0.1", 0))
            sock.setblocking(False)
        rtp, rtcp, self.rtp, self.rtcp = sockets
        self.rtp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        ports = self.rtp.getsockname()[1], self.rtcp.getsockname()[1]
        clock = Clock()
        sender = UDPSender(
            MediaSocket(rtp, segments=self.segments),
            MediaSocket(rtcp, segments=False),
            "127.0.0.1",
            ports,
            "127.0.0.1",
            Backlog(rtp.fileno(), DescriptorReactor(), clock),
            clock,
        )
        return IPacketSender(sender)

    @override
    def arrived(self) -> list[bytes]:
        return list(datagrams(self.rtp))

    @override
    def reports_arrived(self) -> list[bytes]:
        return list(datagrams(self.rtcp))


class SegmentingUDPSenderOverLoopbackContractTests(UDPSenderOverLoopbackContractTests):
    """The same with the kernel cutting."""

    segments = True

    if not can_segment():
        skip = "this kernel cannot cut"


def payloads(sent: bytes | bytearray, channel: int) -> list[bytes]:
    """What was written on one channel of a connection."""
    rest, found = bytes(sent), []
    while rest:
        parsed = InterleavedFrame.parse(rest)
        assert parsed is not None, "what is written ends with a whole packet"
        frame, rest = parsed
        if frame.channel == channel:
            found.append(frame.payload)
    return found


class FreeCarrier:
    """A connection whose viewer reads at once.

    Attributes:
        sent: All bytes that were written.
    """

    is_jammed = False

    def __init__(self) -> None:
        self.sent = bytearray()

    def write(self, data: bytes | memoryview) -> None:
        self.sent += data


class SecureSenderContractTests(SenderContract, SynchronousTestCase):
    """What arrives is opened by the viewer, each time anew."""

    interleaved = True
    master = bytes(range(30))

    @override
    def make_sender(self) -> IPacketSender:
        self.carrier = FreeCarrier()
        suite = Suite.AES_CM_128_HMAC_SHA1_80
        guard = Guard(suite, self.master, suite, self.master)
        return IPacketSender(
            SecureSender(
                IPacketSender(InterleavedSender(self.carrier, (0, 1))), guard, interleaved=True
            )
        )

    @override
    def arrived(self) -> list[bytes]:
        viewer = session(Suite.AES_CM_128_HMAC_SHA1_80, self.master, arriving=True)
        return [viewer.unprotect(payload) for payload in payloads(self.carrier.sent, 0)]

    @override
    def reports_arrived(self) -> list[bytes]:
        viewer = session(Suite.AES_CM_128_HMAC_SHA1_80, self.master, arriving=True)
        return [viewer.unprotect_rtcp(payload) for payload in payloads(self.carrier.sent, 1)]


class InterleavedSenderContractTests(SenderContract, SynchronousTestCase):
    interleaved = True

    @override
    def make_sender(self) -> IPacketSender:
        self.carrier = FreeCarrier()
        return IPacketSender(InterleavedSender(self.carrier, (0, 1)))

    @override
    def arrived(self) -> list[bytes]:
        return payloads(self.carrier.sent, 0)

    @override
    def reports_arrived(self) -> list[bytes]:
        return payloads(self.carrier.sent, 1)

    def test_packets_are_in_the_channel_of_the_train(self) -> None:
        sender = self.make_sender()

        sender.send_train(self.train(sequence=7, packets=1), 0.0)

        self.assertEqual(RTPPacket.parse(self.arrived()[0]).sequence, 7)
