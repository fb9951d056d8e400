"""The other end of a TCP connection: whether its machine is still there, as the system knows."""

import socket
import struct

# After so many seconds of silence the system asks, so often, whether the client is still there.
KEEP_ALIVE = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3}

# Linux's struct tcp_info (tcp(7)) begins with eight bytes, and goes on with words, of which the
# fifth tells how many segments wait for an acknowledgement, and the thirteenth for how many
# milliseconds none has come.
#
#      0 ... 7   8 ... 23  24 ... 27  28 ... 55   56 ... 59
#     +---------+---------+----------+-----------+---------------+
#     | states  | others  | unacked  |  others   | last_ack_recv |
#     +---------+---------+----------+-----------+---------------+
_INFO = struct.Struct("@8x16xI28xI")
_TCP_INFO = getattr(socket, "TCP_INFO", None)


def keep_alive(connection: socket.socket) -> None:
    """A client that vanished while nothing was on its way is found out in a minute.

    By itself the system asks after two hours.
    """
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in KEEP_ALIVE.items():
        if hasattr(socket, name):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def unanswered_s(connection: socket.socket) -> float:
    """For how many seconds what is on its way has not been acknowledged.

    0 where nothing is on its way, also because the client takes no more, which it acknowledges; and
    where the system does not tell.
    """
    if _TCP_INFO is None:
        return 0.0
    try:
        info = connection.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, _INFO.size)
        unacked, silent_ms = _INFO.unpack(info)
    except (OSError, struct.error):  # it is no TCP, or the system is another
        return 0.0
    return silent_ms / 1000 if unacked else 0.0
