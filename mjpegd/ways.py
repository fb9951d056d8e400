"""How a session's packets are to travel: the transport that SETUP chooses, and its keys."""

from dataclasses import replace

from twisted.logger import Logger

from mjpegd.addresses import plain_host
from mjpegd.encryption.srtp import EXTRA, MAX_PACKET_BYTES, Guard
from mjpegd.errors import RTSPError
from mjpegd.exchange import Exchange
from mjpegd.interfaces import IPacketSender
from mjpegd.packing import JpegPacking
from mjpegd.pictures.forms import JpegForm
from mjpegd.senders.interleaved import InterleavedSender
from mjpegd.senders.secure import SecureSender
from mjpegd.session import Lifetime, Session, Way
from mjpegd.wire import headers as parsed
from mjpegd.wire.errors import ParseError
from mjpegd.wire.headers import Lower, Transport
from mjpegd.wire.jpeg_payload import MIN_PAYLOAD_BYTES
from mjpegd.wire.packets import RTP_HEADER_BYTES

_log = Logger()

# RFC 3551, and RFC 3711.
PLAIN_PROFILE = "RTP/AVP"
SECURE_PROFILE = "RTP/SAVP"

# A smaller Blocksize leaves too little room beside the headers; it is ignored.
MIN_BLOCKSIZE = MIN_PAYLOAD_BYTES


def choose_way(exchange: Exchange, form: JpegForm) -> tuple[Way, Transport]:
    """The first transport of a request that can be had (RFC 2326 section 12.39), as it is answered.

    Args:
        exchange: A SETUP.
        form: What pictures have to be like for the viewer.

    Raises:
        RTSPError: 461, there is none; 403, media would go to somebody else; 400, Blocksize is
            malformed; 463 and 455, no keys can be agreed upon.
    """
    wanted = ",".join(exchange.request.headers.get_all("Transport"))
    elsewhere = False
    for transport in Transport.parse_list(wanted):
        if transport.multicast or not _speaks(exchange, transport):
            continue
        if transport.mode not in {None, "PLAY"}:
            continue
        if transport.destination and plain_host(transport.destination) != exchange.connection.host:
            elsewhere = True
            continue
        if transport.lower is Lower.TCP:
            _agree(exchange, transport.profile)
            return _interleaved_way(exchange, transport, form)
        if transport.client_port is not None and exchange.is_reached_at(transport.client_port):
            _agree(exchange, transport.profile)
            return _udp_way(exchange, transport, transport.client_port, form)
    if elsewhere:
        raise RTSPError(403, "media goes to the address that asks for it, and to no other")
    raise RTSPError(461, "RTP/AVP unicast with a client_port above 1023, or RTP/AVP/TCP")


def _interleaved_way(
    exchange: Exchange, transport: Transport, form: JpegForm
) -> tuple[Way, Transport]:
    connection = exchange.connection
    channels = connection.take_channels(transport.interleaved, exchange.session)
    sender = InterleavedSender(connection, channels)
    way = _way(exchange, Lower.TCP, sender, form, f"channels {channels[0]}-{channels[1]}")
    way = replace(way, channels=channels, carrier=connection)
    return way, Transport(transport.profile, Lower.TCP, interleaved=channels)


def _udp_way(
    exchange: Exchange, transport: Transport, client_port: tuple[int, int], form: JpegForm
) -> tuple[Way, Transport]:
    connection, ports = exchange.connection, exchange.house.ports
    leaves_from = ports.address_for(connection.host, connection.local_host)
    sender = ports.sender(connection.host, client_port, leaves_from)
    way = _way(exchange, Lower.UDP, sender, form, f"ports {client_port[0]}-{client_port[1]}")
    way = replace(way, report_ports=client_port)
    return way, Transport(
        transport.profile,
        client_port=client_port,
        server_port=ports.ports,
        # Without need it is not said: behind NAT it misleads players.
        source=leaves_from if leaves_from != connection.local_host else None,
    )


def _way(
    exchange: Exchange, lower: Lower, sender: IPacketSender, form: JpegForm, where: str
) -> Way:
    """What all ways have in common: packets of a size, encrypted where keys were agreed upon."""
    is_interleaved = lower is Lower.TCP
    guard, keys = None, ""
    if exchange.agreement is not None:
        guard, keys = exchange.agreement.guard, f", SRTP by {exchange.agreement.suite.name}"
        sender = SecureSender(sender, guard, interleaved=is_interleaved)
    return Way(
        sender=sender,
        packing=JpegPacking(_payload_bytes(exchange, guard), interleaved=is_interleaved, form=form),
        lifetime=Lifetime.INTERLEAVED if is_interleaved else Lifetime.DATAGRAM,
        description=f"{lower.value}, {where}{keys}",
        guard=guard,
    )


def _speaks(exchange: Exchange, transport: Transport) -> bool:
    """Whether packets may travel so: as they are, or encrypted with keys that nobody overheard.

    What is asked for on an encrypted connection is not sent for everybody to see.
    """
    house, is_secure = exchange.house, exchange.connection.is_secure
    if transport.profile != SECURE_PROFILE:
        is_seen = is_secure and transport.lower is Lower.UDP
        return transport.profile == PLAIN_PROFILE and not is_seen
    if house.keying is None and is_secure and house.tally.passes("more requests for SRTP"):
        _log.info(
            "{peer} asks for SRTP, which needs one more package: pip install '{extra}' brings it",
            peer=str(exchange.owner),
            extra=EXTRA,
        )
    return exchange.keying is not None


def _agree(exchange: Exchange, profile: str) -> None:
    """Agree upon keys, where a transport that was chosen needs some.

    Raises:
        RTSPError: 463, the viewer's are of no use; 455, the session has begun with others.
    """
    if profile != SECURE_PROFILE or exchange.keying is None:
        return
    if exchange.session is not None:
        # Numbers of packets go on, and the count of their wraps would begin anew.
        raise RTSPError(455, "SRTP begins with a session: SETUP without Session")
    exchange.agreement = exchange.keying.agree(
        exchange.header("KeyMgmt"), exchange.connection.offer
    )


def transport_fields(
    exchange: Exchange, transport: Transport, session: Session
) -> list[tuple[str, str]]:
    """How a session's packets travel, and with which key; what was offered is used up by it."""
    keying, agreement = exchange.keying, exchange.agreement
    if keying is None or agreement is None:
        return [("Transport", transport.to_text())]
    exchange.connection.offer = None
    ssrc = session.rtp.ssrc
    return [
        ("Transport", replace(transport, ssrc=ssrc).to_text()),
        ("KeyMgmt", keying.answer(agreement, ssrc, session.url)),
    ]


def _payload_bytes(exchange: Exchange, guard: Guard | None) -> int:
    """What a packet holds after its RTP header; Blocksize counts the same (section 12.7)."""
    most = exchange.house.max_packet_bytes
    if guard is not None:
        most = min(most - guard.tag_bytes, MAX_PACKET_BYTES)
    most -= RTP_HEADER_BYTES
    wanted = exchange.header("Blocksize")
    if wanted is None:
        return most
    try:
        blocksize = parsed.parse_blocksize(wanted)
    except ParseError as fault:
        raise RTSPError(400, f"Blocksize: {fault}") from None
    return min(blocksize, most) if blocksize >= MIN_BLOCKSIZE else most
