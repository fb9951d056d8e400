"""RTP that is encrypted on its way: every packet of a train, and every report."""

from typing import Protocol

from zope.interface import implementer

from mjpegd.errors import ProtectionError
from mjpegd.interfaces import IPacketSender
from mjpegd.wire.packets import INTERLEAVED_PREFIX_BYTES, PacketTrain


class Cipher(Protocol):
    """What encrypts one viewer's packets."""

    tag_bytes: int

    def protect(self, packet: bytes) -> bytes:
        """An RTP packet, encrypted; so many bytes longer. Raises ProtectionError."""
        ...

    def protect_report(self, compound: bytes) -> bytes:
        """An RTCP compound, encrypted. Raises ProtectionError."""
        ...


@implementer(IPacketSender)
class SecureSender:
    """Encrypts what another sender then takes to the viewer.

    A train stays a train: all of its packets grow by the same number of bytes.

    Args:
        sender: The way to the network.
        cipher: The viewer's keys.
        interleaved: Packets have prefixes, which stay readable and tell the new lengths.
    """

    def __init__(self, sender: IPacketSender, cipher: Cipher, *, interleaved: bool) -> None:
        self._sender = sender
        self._cipher = cipher
        self._prefix_bytes = INTERLEAVED_PREFIX_BYTES if interleaved else 0
        self._trains_lost = 0
        self._errors = 0
        self._last_error = ""

    @property
    def dropped(self) -> int:
        """How many trains were dropped (see IPacketSender)."""
        return self._sender.dropped + self._trains_lost

    @property
    def errors(self) -> int:
        """How many packets could not be sent (see IPacketSender)."""
        return self._sender.errors + self._errors

    @property
    def last_error(self) -> str:
        """Why the last of them could not (see IPacketSender)."""
        return self._last_error or self._sender.last_error

    @property
    def remark(self) -> str:
        """What is out of the ordinary on this way (see IPacketSender)."""
        return self._sender.remark

    def send_train(self, train: PacketTrain, spread_s: float) -> None:
        """Encrypt a train and send it (see IPacketSender)."""
        try:
            secured = self._protected(train)
        except ProtectionError as fault:
            self._trains_lost += 1
            self._failed(fault)
        else:
            self._sender.send_train(secured, spread_s)

    def send_report(self, compound: bytes) -> None:
        """Encrypt a report and send it (see IPacketSender)."""
        try:
            secured = self._cipher.protect_report(compound)
        except ProtectionError as fault:
            self._failed(fault)
        else:
            self._sender.send_report(secured)

    def flush(self) -> None:
        """Send what still waits (see IPacketSender)."""
        self._sender.flush()

    def discard(self) -> None:
        """Drop what waits (see IPacketSender)."""
        self._sender.discard()

    def close(self) -> None:
        """Send nothing more (see IPacketSender)."""
        self._sender.close()

    def _failed(self, fault: ProtectionError) -> None:
        self._errors += 1
        self._last_error = str(fault)

    def _protected(self, train: PacketTrain) -> PacketTrain:
        protect, prefix_bytes = self._cipher.protect, self._prefix_bytes
        chunks: list[bytes | memoryview] = []
        for packet in train.packets():
            secured = protect(bytes(packet[prefix_bytes:]))
            if prefix_bytes:
                chunks += packet[:2], len(secured).to_bytes(2, "big")
            chunks.append(secured)
        stride = train.stride + self._cipher.tag_bytes
        return PacketTrain(memoryview(b"".join(chunks)), stride, train.packet_count)
