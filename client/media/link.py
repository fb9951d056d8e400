"""The media of one session: over which way they come, and what takes them."""

from dataclasses import dataclass
from functools import partial
from random import Random

from twisted.logger import Logger

from mjpegd.wire.headers import Lower, Transport

from ..interfaces import Dialogue
from .intake import Intake
from .receiver import RECEIVE_BUFFER_BYTES, MediaPorts, Reactor

_log = Logger()

_CHANNELS = (0, 1)


@dataclass(frozen=True, slots=True)
class Link:
    """A way that SETUP agreed on.

    Attributes:
        lower: UDP or TCP.
        intake: What takes the packets.
        ports: The UDP ports; None over TCP.
        channels: The channels of RTP and RTCP in the connection; none over UDP.
    """

    lower: Lower
    intake: Intake
    ports: MediaPorts | None = None
    channels: tuple[int, ...] = ()

    def take_interleaved(self, channel: int, data: bytes, arrived_s: float) -> None:
        """A packet came in the connection of the requests; unknown channels are passed over."""
        if channel in self.channels:
            self.intake.take(data, arrived_s)

    def close(self) -> None:
        """Say goodbye and take nothing more."""
        self.intake.close()
        if self.ports is not None:
            self.ports.close()


async def link_over_udp(
    reactor: Reactor,
    random: Random,
    dialogue: Dialogue,
    intake: Intake,
    first_port: int | None = None,
) -> Link:
    """SETUP with a pair of UDP ports.

    Args:
        reactor: Where the ports are read.
        random: Chooses the ports.
        dialogue: Where to ask.
        intake: What takes the packets.
        first_port: Where to begin to look for free ones; anywhere if None.

    Raises:
        UnplayableError: No pair of ports is free.
        PlayerError: The server refused, or is gone.
    """
    host = dialogue.server_host
    ports = MediaPorts.open(reactor, intake.take, random, is_ipv6=":" in host, first=first_port)
    try:
        answer = await dialogue.setup(Transport(client_port=ports.numbers))
    except BaseException:
        ports.close()
        raise
    ports.aim(host, answer.server_port, answer.source)
    intake.report_to(ports.send_report)
    _say_buffer(ports)
    return Link(Lower.UDP, intake, ports=ports)


async def link_over_tcp(dialogue: Dialogue, intake: Intake) -> Link:
    """SETUP inside the connection of the requests.

    Raises:
        PlayerError: The server refused, or is gone.
    """
    answer = await dialogue.setup(Transport(lower=Lower.TCP, interleaved=_CHANNELS))
    channels = answer.interleaved or _CHANNELS
    intake.report_to(partial(dialogue.send_interleaved, channels[1]))
    return Link(Lower.TCP, intake, channels=channels)


def _say_buffer(ports: MediaPorts) -> None:
    if ports.buffer_bytes < RECEIVE_BUFFER_BYTES:
        _log.warn(
            "the system gives {given} KiB of receive buffer instead of {wanted}: of large pictures,"
            " packets may be lost; on Linux, `sysctl -w net.core.rmem_max={bytes}` as root raises"
            " it",
            given=ports.buffer_bytes >> 10,
            wanted=RECEIVE_BUFFER_BYTES >> 10,
            bytes=RECEIVE_BUFFER_BYTES,
        )
