"""What the operator chose, checked: plain values for all of the daemon."""

from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.strcred import makeChecker

from mjpegd.addresses import Networks
from mjpegd.limits import Limits

# How descriptions begin of endpoints whose connections Twisted encrypts.
ENCRYPTED_ENDPOINTS = ("ssl:", "tls:", "haproxy:ssl:", "haproxy:tls:")


@dataclass(frozen=True, slots=True)
class Making:
    """How pictures are made that cannot be sent as they are.

    Attributes:
        threads: How many JPEGs are made fit for RTP at a time.
        decoders: How many films that are no JPEG are decoded at a time, each in a process.
        decoder_bytes: The memory that such a process may have.
        quality: What its JPEGs are encoded with, 1 to 100.
        max_width: Pixels across at most of such a JPEG.
        max_height: Pixels down at most.
    """

    threads: int
    decoders: int
    decoder_bytes: int
    quality: int
    max_width: int
    max_height: int


@dataclass(frozen=True, slots=True)
class Access:
    """Who may watch.

    Attributes:
        users: The users file; None for none.
        auth: Of ``--auth``, descriptions of checkers: who can log in without a users file.
        networks: From where connections are taken; None for anywhere.
        origins: Of the web pages that may watch over WebSocket.
    """

    users: Path | None = None
    auth: tuple[str, ...] = ()
    networks: Networks | None = None
    origins: tuple[str, ...] = ()

    @property
    def needs_login(self) -> bool:
        """There are users, and what is theirs alone."""
        return self.users is not None or bool(self.auth)

    @property
    def checkers(self) -> tuple[ICredentialsChecker, ...]:
        """What ``--auth`` describes; made anew each time, since every process needs its own."""
        return tuple(makeChecker(description) for description in self.auth)


@dataclass(frozen=True, slots=True)
class Tls:
    """Encrypted connections.

    Attributes:
        port: Their TCP port; 0 for any.
        certificate: A file with the server's certificate.
        private_key: A file with its key; may be the same.
        is_only: There is no port for others.
    """

    port: int
    certificate: Path
    private_key: Path
    is_only: bool


@dataclass(frozen=True, slots=True)
class Settings:
    """What the operator chose, checked.

    Attributes:
        port: TCP port of RTSP; 0 for any.
        interface: Address to bind TCP and UDP to; empty for all.
        listen: Endpoint descriptions that replace port; empty for none.
        workers: How many processes serve.
        media: The media folder.
        frame_rate: Frames per second for films that do not say.
        loop: Films repeat where their URL does not say otherwise.
        rtp_port: UDP port of RTP, even; 0 for any free pair.
        max_packet_bytes: UDP payload of an RTP packet at most.
        max_laboratory_bytes: The same for a laboratory client's whole picture.
        segments: The kernel may cut frames into packets.
        making: How pictures are made that cannot be sent as they are.
        access: Who may watch.
        tls: How connections are encrypted; None where none is.
        limits: Bounds on remote input.
    """

    port: int
    interface: str
    listen: tuple[str, ...]
    workers: int
    media: Path
    frame_rate: Fraction
    loop: bool
    rtp_port: int
    max_packet_bytes: int
    max_laboratory_bytes: int
    segments: bool
    making: Making
    access: Access
    tls: Tls | None
    limits: Limits

    @property
    def share(self) -> "Settings":
        """The same for one of the workers: what is made at a time is divided among them."""
        making = replace(
            self.making,
            threads=max(1, self.making.threads // self.workers),
            decoders=max(1, self.making.decoders // self.workers),
        )
        return replace(self, making=making)
