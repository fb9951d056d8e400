"""Addresses as people and policies mean them."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Self

from typing_extensions import override

# A client on a Unix socket has no address: it is on this machine.
LOCAL_HOST = "127.0.0.1"
# What one household or office has of IPv6: whoever has one of these addresses has all of them.
IPV6_PREFIX_BITS = 64
# Of so many addresses is remembered what they mean: reading one takes longer than all else that
# letting a connection in does.
KNOWN_HOSTS = 4096


@dataclass(frozen=True, slots=True)
class Networks:
    """A set of addresses."""

    members: tuple[IPv4Network | IPv6Network, ...]

    @classmethod
    def parse(cls, texts: Iterable[str]) -> Self:
        """Read networks such as ``192.168.0.0/16``; a single address is a network of its own.

        Raises:
            ValueError: One is none; says which and why.
        """
        return cls(tuple(ip_network(text) for text in texts))

    def __contains__(self, host: str) -> bool:
        try:
            address = ip_address(host or LOCAL_HOST)
        except ValueError:
            return False
        return any(address in network for network in self.members)

    @override
    def __str__(self) -> str:
        return ", ".join(map(str, self.members))


@lru_cache(KNOWN_HOSTS)
def plain_host(host: str) -> str:
    """An IPv4 address that a dual-stack socket shows as IPv6 is the IPv4 address.

    Scope identifiers (``fe80::1%eth0``) stay; anything that is no address comes back as it is.
    """
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(address)


def is_one_host(host: str) -> bool:
    """An address that one machine has: no group's, everybody's or nobody's.

    No connection comes from others, but a proxy may tell any address.
    """
    try:
        address = ip_address(host)
    except ValueError:
        return False
    if address.is_multicast or address.is_unspecified:
        return False
    # 240.0.0.0/4, the last of which is everybody's. Much of IPv6 that counts as reserved is in use.
    return isinstance(address, IPv6Address) or not address.is_reserved


def is_ipv6(host: str) -> bool:
    """The host is written as an IPv6 address."""
    return ":" in host


def in_url(host: str, port: int) -> str:
    """Host and port as they stand in a URL."""
    return f"[{host}]:{port}" if is_ipv6(host) else f"{host}:{port}"


@lru_cache(KNOWN_HOSTS)
def household(host: str) -> str:
    """What an address shares with all others that its owner can take at will."""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if isinstance(address, IPv6Address):
        return str(ip_network((int(address), IPV6_PREFIX_BITS), strict=False))
    return host
