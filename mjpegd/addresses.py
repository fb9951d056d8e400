"""Addresses as people and policies mean them."""

from ipaddress import IPv6Address, ip_address


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


def is_ipv6(host: str) -> bool:
    """The host is written as an IPv6 address."""
    return ":" in host


def in_url(host: str, port: int) -> str:
    """Host and port as they stand in a URL."""
    return f"[{host}]:{port}" if is_ipv6(host) else f"{host}:{port}"
