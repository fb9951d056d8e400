"""What it costs to encrypt the packets of a frame: `python -m benchmarks.srtp`.

Microseconds of processor time for a frame of about 30 kB in 23 packets, the median of some
rounds: stamped with a viewer's numbers only, and encrypted as well by each suite.
"""

import argparse
from secrets import token_bytes
from statistics import median
from time import process_time

from typing_extensions import override

from benchmarks.printing import say_heading, say_row
from mjpegd.encryption.srtp import MAX_PACKET_BYTES, Guard
from mjpegd.interfaces import IPacketSender
from mjpegd.senders.secure import SecureSender
from mjpegd.test.fakes import RecordingSender
from mjpegd.wire.mikey import Suite
from mjpegd.wire.packets import RTP_HEADER_BYTES, PacketTrain, TrainTemplate

FRAME_BYTES = 30_000
ROUNDS = 500
TITLES = ("how packets leave        ", "us a frame", "us a packet", "bytes more")


class Nowhere(RecordingSender):
    """A way that takes trains and keeps none."""

    @override
    def send_train(self, train: PacketTrain, spread_s: float) -> None:
        """Forget it."""


def frame() -> TrainTemplate:
    """The packets of a frame that nobody can foretell."""
    size = MAX_PACKET_BYTES - RTP_HEADER_BYTES
    data = token_bytes(FRAME_BYTES)
    return TrainTemplate(
        [data[at : at + size] for at in range(0, len(data), size)], interleaved=False
    )


def cost_s(template: TrainTemplate, sender: IPacketSender) -> float:
    """Processor time for a frame, in seconds."""
    times, sequence = [], 0
    for _ in range(ROUNDS):
        start = process_time()
        sender.send_train(template.stamp(sequence, 0, 1), 0.0)
        times.append(process_time() - start)
        sequence = (sequence + template.packet_count) & 0xFFFF
    return median(times)


def secured(suite: Suite) -> IPacketSender:
    """A way that encrypts."""
    master = token_bytes(suite.key_bytes + suite.salt_bytes)
    guard = Guard(suite, master, suite, master)
    return IPacketSender(SecureSender(IPacketSender(Nowhere()), guard, interleaved=False))


def main() -> None:
    """Measure, and print a table."""
    argparse.ArgumentParser("python -m benchmarks.srtp", description=__doc__).parse_args()
    template = frame()
    say_heading(TITLES)
    plain_s = cost_s(template, IPacketSender(Nowhere()))
    _row("stamped only", plain_s, template, 0)
    for suite in Suite:
        _row(suite.name, cost_s(template, secured(suite)), template, suite.tag_bytes)


def _row(way: str, seconds: float, template: TrainTemplate, tag_bytes: int) -> None:
    us = 1e6 * seconds
    cells = (way, f"{us:.0f}", f"{us / template.packet_count:.1f}", str(tag_bytes))
    say_row(TITLES, cells)


if __name__ == "__main__":
    main()
