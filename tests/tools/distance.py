"""What lies between two machines that are far apart: `python -m tests.tools.distance NEAR FAR`.

It makes two network devices (TUN), NEAR and FAR, one of which is to be given to another namespace
of the network, and carries packets from either to the other: after a while, or not at all. So it
needs root on Linux, and of the kernel nothing but TUN; `tc netem` does the same where there is one.

It writes a line when both are there. A line on standard input says how it is from now on, as JSON:
for packets to FAR and to NEAR, by how many seconds each is late, and what share of them is lost:

    {"far": [0.05, 0.01], "near": [0.05, 0]}

The answer is a line as well: how many were lost so far, by where they were to go, as in
`{"far udp 5000": 3}`. It ends when standard input does.
"""

import argparse
import fcntl
import json
import os
import select
import struct
import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from heapq import heappop, heappush
from random import Random

TUN = "/dev/net/tun"
# linux/if_tun.h: what makes a device of an open file; packets of IP, with nothing before them.
_TUNSETIFF = 0x400454CA
_IFF_TUN_NO_PI = 0x0001 | 0x1000
MOST_PACKET_BYTES = 1 << 16
# Packets on their way at a time; of more, the newest are lost, as in any network.
MOST_ON_THEIR_WAY = 10_000
_PROTOCOLS = {1: "icmp", 6: "tcp", 17: "udp"}


@dataclass(slots=True)
class Way:
    """From one machine to the other.

    Attributes:
        to: Which.
        source: Where packets come from, a descriptor.
        target: Where they go.
        delay_s: How late they are.
        loss: The share that is lost, 0 to 1.
    """

    to: str
    source: int
    target: int
    delay_s: float = 0.0
    loss: float = 0.0


@dataclass(slots=True)
class Distance:
    """Carries packets.

    Args:
        ways: Both.
        random: Which of them are lost.
    """

    ways: Sequence[Way]
    random: Random
    lost: Counter[str] = field(default_factory=Counter)
    _coming: list[tuple[float, int, int, bytes]] = field(default_factory=list)  # a heap
    _count: int = 0

    def order(self, line: str) -> str:
        """From now on it is like that; the answer."""
        wanted = json.loads(line)
        for way in self.ways:
            way.delay_s, way.loss = wanted.get(way.to, (way.delay_s, way.loss))
        return json.dumps(self.lost)

    def run(self) -> None:
        """Carry packets until standard input ends."""
        by_source = {way.source: way for way in self.ways}
        orders = sys.stdin.fileno()
        while True:
            readable, _, _ = select.select([*by_source, orders], [], [], self._wait_s())
            for descriptor in readable:
                if descriptor != orders:
                    self._take(by_source[descriptor])
                elif line := sys.stdin.readline():
                    tell(self.order(line))
                else:
                    return
            self._deliver()

    def _wait_s(self) -> float | None:
        return max(0.0, self._coming[0][0] - time.monotonic()) if self._coming else None

    def _take(self, way: Way) -> None:
        packet = os.read(way.source, MOST_PACKET_BYTES)
        if self.random.random() < way.loss or len(self._coming) >= MOST_ON_THEIR_WAY:
            self.lost[f"{way.to} {kind_of(packet)}"] += 1
            return
        self._count += 1  # of two that are due at once, the older goes first
        due_s = time.monotonic() + way.delay_s
        heappush(self._coming, (due_s, self._count, way.target, packet))

    def _deliver(self) -> None:
        now_s = time.monotonic()
        while self._coming and self._coming[0][0] <= now_s:
            _, _, target, packet = heappop(self._coming)
            with suppress(OSError):  # the device is down, or nobody is there any more
                os.write(target, packet)


def kind_of(packet: bytes) -> str:
    """What a packet of IPv4 is, and to which port it goes, such as `udp 5000`."""
    if packet[0] >> 4 != 4:
        return "other"
    header_bytes = 4 * (packet[0] & 15)
    name = _PROTOCOLS.get(packet[9], str(packet[9]))
    return f"{name} {int.from_bytes(packet[header_bytes + 2 : header_bytes + 4], 'big')}"


def device(name: str) -> int:
    """A network device whose packets this process reads and writes; a descriptor.

    It is there as long as that is open.
    """
    descriptor = os.open(TUN, os.O_RDWR)
    fcntl.ioctl(descriptor, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _IFF_TUN_NO_PI))
    return descriptor


def tell(line: str) -> None:
    """Write a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser()
    parser.add_argument("near")
    parser.add_argument("far")
    parser.add_argument("--seed", type=int, default=1, help="where chance begins")
    arguments = parser.parse_args()
    near, far = device(arguments.near), device(arguments.far)
    tell("both are there")
    ways = (Way("far", near, far), Way("near", far, near))
    Distance(ways, Random(arguments.seed)).run()


if __name__ == "__main__":
    main()
