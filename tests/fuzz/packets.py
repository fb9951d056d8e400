"""Laws of what reads packets: RTCP, keys, RTP with JPEG in it, and how a player takes them in."""

import struct
from contextlib import suppress
from random import Random

from twisted.internet.task import Clock

from client.interfaces import Cue, ReceivedFrame
from client.media.assembling import JpegAssembler, LaboratoryAssembler
from client.media.intake import Identity, Intake, Outlets
from client.media.jitterbuffer import JitterBuffer
from mjpegd.logs import Tally, say_count
from mjpegd.rtp import RTCPProtocol, RTPProtocol, RTPStream
from mjpegd.wire.errors import JpegError, ParseError
from mjpegd.wire.headers import KeyManagement
from mjpegd.wire.jpeg_image import JpegImage
from mjpegd.wire.jpeg_payload import Payload, Reassembler, to_jpeg
from mjpegd.wire.mikey import KeyMessage
from mjpegd.wire.packets import JPEG_PAYLOAD_TYPE, RTPPacket
from mjpegd.wire.reports import MAX_COMPOUND_PACKETS, Report, compound, parse_compound
from tests.fuzz.target import agree, demand

SSRC = 0x5EED
# A packet in an input has its length before it, in 16 bits.
LENGTH = struct.Struct(">H")
MOST_PACKETS = 200

_ADDRESS = ("192.0.2.7", 5001)
_LATENCY_S = 0.1


def together(*packets: bytes) -> bytes:
    """Packets as `apart` takes them."""
    return b"".join(LENGTH.pack(len(packet)) + packet for packet in packets)


def apart(data: bytes) -> list[bytes]:
    """The packets of an input."""
    found: list[bytes] = []
    while len(data) > LENGTH.size and len(found) < MOST_PACKETS:
        (size,) = LENGTH.unpack_from(data)
        found.append(data[LENGTH.size : LENGTH.size + size])
        data = data[LENGTH.size + size :]
    return found


def rtcp(data: bytes) -> None:
    """RTCP raises only `ParseError`, is the same when written, and harms no session."""
    with suppress(ParseError):
        reports = parse_compound(data)
        demand(len(reports) <= MAX_COMPOUND_PACKETS, "too many packets")
        agree(parse_compound(compound(*reports)), reports, "read, written and read again")
        RTPStream(SSRC, 0, 1, "mjpegd@test").received(reports, 1e9)
    told: list[list[Report]] = []
    clock = Clock()

    def on_report(reports: list[Report], host: str, port: int) -> None:
        told.append(reports)

    tally = Tally(clock, say_count)
    for protocol in (RTPProtocol(on_report, tally), RTCPProtocol(on_report, tally)):
        protocol.datagramReceived(data, _ADDRESS)
    tally.stop()
    demand(not clock.getDelayedCalls(), "something is left")


def keys(data: bytes) -> None:
    """MIKEY, and the header that it comes in, raise only `ParseError`, and are written again."""
    with suppress(ParseError):
        message = KeyMessage.parse(data)
        again = KeyMessage.parse(message.to_bytes())
        agree((again.suite, again.master), (message.suite, message.master), "the key")
        agree(again.to_bytes(), message.to_bytes(), "written again")
    with suppress(ParseError):
        told = KeyManagement.parse(data.decode("utf-8", "surrogateescape"))
        agree(KeyManagement.parse(told.to_text()).message, told.message, "the message in a header")


def rtp(data: bytes) -> None:
    """RTP raises only `ParseError`; what is put together of payloads only `JpegError`."""
    reassembler, whole = Reassembler(), 0
    for packet in apart(data):
        with suppress(ParseError):
            payload = Payload.parse(packet)
            agree(Payload.parse(payload.to_bytes()), payload, "payload written and read again")
        with suppress(ParseError):
            read = RTPPacket.parse(packet)
            agree(RTPPacket.parse(read.to_bytes()), read, "packet written and read again")
            frame = reassembler.feed(read.payload, read.timestamp, read.marker, read.extension)
            whole += frame is not None
            for one in (frame, reassembler.damaged):
                if one is not None:
                    with suppress(JpegError):  # No size is told, or markers are in the scan.
                        JpegImage.parse(to_jpeg(one))
    demand(0 <= reassembler.lost <= len(data) and whole <= len(data), "frames from nowhere")


def reception(data: bytes) -> None:
    """A player raises nothing, whatever packets come, and has nothing left to do afterwards."""
    for is_laboratory in (False, True):
        clock, frames = Clock(), list[ReceivedFrame]()
        assembler = LaboratoryAssembler() if is_laboratory else JpegAssembler(keeps_damaged=True)
        intake = Intake(
            clock,
            Random(1),
            Identity(1, "player@test"),
            JPEG_PAYLOAD_TYPE,
            JitterBuffer(assembler, _LATENCY_S),
            Outlets(frames.append, lambda: None),
            is_laboratory=is_laboratory,
        )
        reports: list[bytes] = []
        intake.report_to(reports.append)
        intake.expect()
        intake.begin(Cue(0.0))
        for packet in apart(data):
            intake.take(packet, clock.seconds())
            clock.advance(0.01)
        intake.figures(clock.seconds(), 1e9, None)
        clock.advance(1.0)
        intake.close()
        demand(not clock.getDelayedCalls(), "something is left")
        list(map(parse_compound, reports))
        demand(len(frames) <= 2 * MOST_PACKETS, "frames from nowhere")
