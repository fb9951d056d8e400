"""A viewer's machine at the end of a cable that can be pulled: a network namespace of Linux.

cable = Cable()
with cable.far_side():
    client = Client(cable.near_host, port)
cable.pull()
"""

import ctypes
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Network
from pathlib import Path

# For measurements of networks (RFC 2544): nobody has these addresses.
_NETWORK = IPv4Network("198.18.0.0/15")
_CLONE_NEWNET = 0x40000000
_OWN_NAMESPACE = "/proc/thread-self/ns/net"


def missing() -> list[str]:
    """What has to be there for one, and is not."""
    tools = [name for name in ("ip", "tc") if shutil.which(name) is None]
    return [*tools, *([] if os.geteuid() == 0 else ["root"])]


class Cable:
    """Two machines with a cable between them, of which this one is the near one.

    Attributes:
        near_host: The address of this machine, as the far one sees it.
        far_host: The other's address.
    """

    def __init__(self) -> None:
        number = os.getpid() % (1 << 15)
        self.near_host, self.far_host = (str(_NETWORK[4 * number + host]) for host in (1, 2))
        self._namespace = f"mjpegd-{number}"
        self._near, self._far = f"mj{number}a", f"mj{number}b"
        _run("ip", "netns", "add", self._namespace)
        _run("ip", "link", "add", self._near, "type", "veth", "peer", self._far)
        _run("ip", "link", "set", self._far, "netns", self._namespace)
        _run("ip", "address", "add", f"{self.near_host}/30", "dev", self._near)
        self._there("address", "add", f"{self.far_host}/30", "dev", self._far)
        self._there("link", "set", "lo", "up")
        self._there("link", "set", self._far, "up")
        self.plug()

    def pull(self) -> None:
        """Nothing comes through, and nobody is told."""
        # At the far end, so that the near machine still has its address and its route.
        self._there("link", "set", self._far, "down")

    def plug(self) -> None:
        """All comes through."""
        self._there("link", "set", self._far, "up")
        _run("ip", "link", "set", self._near, "up")

    def narrow(self, kbit_per_s: int) -> None:
        """Let no more than this come to the far machine, with little room to wait."""
        _run(
            *("tc", "qdisc", "replace", "dev", self._near, "root", "tbf"),
            *("rate", f"{kbit_per_s}kbit", "burst", "20kb", "limit", "40kb"),
        )

    def widen(self) -> None:
        """Let all come to the far machine again."""
        _run("tc", "qdisc", "delete", "dev", self._near, "root")

    def close(self) -> None:
        """Take both away."""
        subprocess.run(["ip", "link", "delete", self._near], check=False)
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

    def _there(self, *words: str) -> None:
        _run("ip", "-netns", self._namespace, *words)


def _enter(descriptor: int) -> None:
    # Python has it from 3.12 on.
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, _CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)
