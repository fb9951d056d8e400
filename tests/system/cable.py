"""A viewer's machine that is not this one: a network namespace of Linux, and what leads there.

with_cable = Cable()
with with_cable.far_side():
    client = Client(with_cable.near_host, port)
with_cable.pull()
"""

import ctypes
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Network
from pathlib import Path
from typing import IO, cast

from typing_extensions import override

from tests.tools.distance import TUN

# For measurements of networks (RFC 2544): nobody has these addresses.
_NETWORK = IPv4Network("198.18.0.0/15")
_CLONE_NEWNET = 0x40000000
_OWN_NAMESPACE = "/proc/thread-self/ns/net"
_CHECKOUT = Path(__file__).parents[2]


def missing(*tools: str) -> list[str]:
    """What has to be there for one, and for these tools, and is not."""
    found = [name for name in ("ip", *tools) if shutil.which(name) is None]
    return [*found, *([] if os.geteuid() == 0 else ["root"])]


class Neighbours:
    """Two machines, of which this one is the near one; nothing leads from one to the other yet.

    Attributes:
        near_host: The address of this machine, as the far one sees it.
        far_host: The other's address.
        near: The network device of this one.
        far: The network device of the other one.
        command: What has a command line that follows it run there.
    """

    def __init__(self) -> None:
        number = os.getpid() % (1 << 15)
        self.near_host, self.far_host = (str(_NETWORK[4 * number + host]) for host in (1, 2))
        self.near, self.far = f"mj{number}a", f"mj{number}b"
        self._namespace = f"mjpegd-{number}"
        self.command = ("ip", "netns", "exec", self._namespace)
        _run("ip", "netns", "add", self._namespace)

    def connect(self) -> None:
        """Give both their devices, which are there, and their addresses."""
        _run("ip", "link", "set", self.far, "netns", self._namespace)
        _run("ip", "address", "add", f"{self.near_host}/30", "dev", self.near)
        self.there("address", "add", f"{self.far_host}/30", "dev", self.far)
        self.there("link", "set", "lo", "up")
        self.there("link", "set", self.far, "up")
        _run("ip", "link", "set", self.near, "up")

    def close(self) -> None:
        """Take the other machine away."""
        subprocess.run(["ip", "netns", "delete", self._namespace], check=False)

    @contextmanager
    def far_side(self) -> Iterator[None]:
        """Sockets that this thread makes within are the far machine's, for as long as they live."""
        own = os.open(_OWN_NAMESPACE, os.O_RDONLY)
        far = os.open(Path("/run/netns") / self._namespace, os.O_RDONLY)
        try:
            _enter(far)
            yield
        finally:
            _enter(own)
            os.close(far)
            os.close(own)

    def there(self, *words: str) -> None:
        """Have `ip` do something on the far machine."""
        _run("ip", "-netns", self._namespace, *words)


class Cable(Neighbours):
    """Two machines with a cable between them, which may be pulled, or be a thin one."""

    def __init__(self) -> None:
        super().__init__()
        _run("ip", "link", "add", self.near, "type", "veth", "peer", self.far)
        self.connect()

    def pull(self) -> None:
        """Nothing comes through, and nobody is told."""
        # At the far end, so that the near machine still has its address and its route.
        self.there("link", "set", self.far, "down")

    def plug(self) -> None:
        """All comes through."""
        self.there("link", "set", self.far, "up")

    def narrow(self, kbit_per_s: int) -> None:
        """Let no more than this come to the far machine, with little room to wait."""
        _run(
            *("tc", "qdisc", "replace", "dev", self.near, "root", "tbf"),
            *("rate", f"{kbit_per_s}kbit", "burst", "20kb", "limit", "40kb"),
        )

    def widen(self) -> None:
        """Let all come to the far machine again."""
        _run("tc", "qdisc", "delete", "dev", self.near, "root")

    @override
    def close(self) -> None:
        subprocess.run(["ip", "link", "delete", self.near], check=False)
        super().close()


class Journey(Neighbours):
    """Two machines far apart: what is sent comes later, or not at all (`tests.tools.distance`)."""

    def __init__(self) -> None:
        super().__init__()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.tools.distance", self.near, self.far],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=_CHECKOUT,
        )
        self._answer()
        self.connect()

    @staticmethod
    def missing() -> list[str]:
        """What has to be there for one, and is not."""
        return [*missing(), *([] if Path(TUN).exists() else [TUN])]

    def be(self, delay_s: float, loss: float, back_loss: float | None = None) -> dict[str, int]:
        """Let it be so from now on.

        Args:
            delay_s: How late what is sent comes, in either direction.
            loss: The share of packets to the far machine that is lost, 0 to 1.
            back_loss: The same on the way back; as much if it is not given.

        Returns:
            How many packets were lost so far, by direction, protocol and port.
        """
        back = loss if back_loss is None else back_loss
        order = json.dumps({"far": [delay_s, loss], "near": [delay_s, back]})
        orders = cast(IO[str], self._process.stdin)
        orders.write(f"{order}\n")
        orders.flush()
        return cast(dict[str, int], json.loads(self._answer()))

    @override
    def close(self) -> None:
        with self._process:
            self._process.kill()
        super().close()

    def _answer(self) -> str:
        return cast(IO[str], self._process.stdout).readline()


def _enter(descriptor: int) -> None:
    # Python has it from 3.12 on.
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, _CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)
