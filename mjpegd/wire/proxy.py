"""The PROXY protocol's header: what version 2 says of TLS in front of the proxy.

Its other contents are read by Twisted. The numbers are those of HAProxy's specification of the
protocol (proxy-protocol.txt, section 2.2).
"""

import struct

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
_HEADER = struct.Struct("!12sBBH")
_FIELD = struct.Struct("!BH")
_PROXY_COMMAND = 0x21
# What addresses take, by family.
_ADDRESS_BYTES = {0x0: 0, 0x1: 12, 0x2: 36, 0x3: 216}
_TLS_FIELD = 0x20
_CLIENT_HAS_TLS = 0x01


def came_by_tls(header: bytes) -> bool:
    """Whether a header says that the client has connected to the proxy by TLS.

    Args:
        header: A whole header, of any version.
    """
    if len(header) < _HEADER.size:
        return False
    signature, command, family, length = _HEADER.unpack_from(header)
    start = _HEADER.size + _ADDRESS_BYTES.get(family >> 4, length)
    if signature != SIGNATURE or command != _PROXY_COMMAND:
        return False
    value = _field(header[start : _HEADER.size + length], _TLS_FIELD)
    return bool(value[:1]) and bool(value[0] & _CLIENT_HAS_TLS)


def _field(fields: bytes, wanted: int) -> bytes:
    """The value of the first field of a kind; empty where there is none."""
    while len(fields) >= _FIELD.size:
        kind, length = _FIELD.unpack_from(fields)
        value = fields[_FIELD.size : _FIELD.size + length]
        if kind == wanted:
            return value
        fields = fields[_FIELD.size + length :]
    return b""
