"""TLS: connections are encrypted with a certificate that may change while the daemon runs.

Its packages are an extra of the installation: it is imported only where there is a certificate.
"""

from collections.abc import Callable

from OpenSSL.SSL import Connection
from twisted.internet.interfaces import IAddress, IOpenSSLServerConnectionCreator, IReactorTime
from twisted.internet.protocol import Protocol, ServerFactory
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from twisted.python.failure import Failure
from typing_extensions import override
from zope.interface import implementer

from mjpegd.encryption.certificates import Certificate, day
from mjpegd.interfaces import InThread
from mjpegd.settings import Tls
from mjpegd.watching import Upkeep

_log = Logger()

# How often it is looked whether the certificate will end soon.
DAY_S = 86_400.0


@implementer(IOpenSSLServerConnectionCreator)
class Encryption:
    """Encrypts the connections of viewers; those that come from now on with the newest certificate.

    Args:
        tls: Where the certificate is.
        clock: When to look whether it has changed.
        in_thread: How reading it leaves the reactor.
        unix_s: The time of day, for which it is valid or not.
    """

    def __init__(
        self, tls: Tls, clock: IReactorTime, in_thread: InThread, unix_s: Callable[[], float]
    ) -> None:
        self._tls = tls
        self._clock = clock
        self._unix_s = unix_s
        self._certificate: Certificate | None = None
        self._upkeep = Upkeep(
            {tls.certificate, tls.private_key}, self._read, self._take, clock, in_thread
        )
        self._reminder = LoopingCall(self._remind)
        self._reminder.clock = clock

    def start(self) -> None:
        """Read the certificate, and look after it from now on.

        Raises:
            ConfigurationError: It cannot be had; says what to do.
        """
        self._upkeep.start()
        self._reminder.start(DAY_S, now=False).addErrback(_broke)

    def stop(self) -> None:
        """Look after it no more. Harmless when it never began."""
        self._upkeep.stop()
        if self._reminder.running:
            self._reminder.stop()

    def read_again(self) -> None:
        """Read the certificate again; if there is a fault in it, the one before stays."""
        self._upkeep.read_again()

    def around(self, factory: ServerFactory) -> ServerFactory:
        """The same for encrypted connections."""
        return Encrypting(factory, TLSMemoryBIOFactory(self, False, factory, self._clock))

    def serverConnectionForTLS(  # noqa: N802 - of IOpenSSLServerConnectionCreator
        self, protocol: TLSMemoryBIOProtocol
    ) -> Connection:
        """What encrypts one connection."""
        if self._certificate is None:
            raise RuntimeError("start() comes first")
        # Twisted's options make connections themselves from a later version on only.
        return Connection(self._certificate.options.getContext(), None)

    def _read(self) -> Certificate:
        return Certificate.read(self._tls.certificate, self._tls.private_key)

    def _take(self, certificate: Certificate) -> None:
        self._certificate = certificate
        _log.info(
            "{path} is the certificate of {names}, valid until {end}",
            path=str(self._tls.certificate),
            names=", ".join(certificate.names),
            end=day(certificate.ends),
        )
        if certificate.is_key_open:
            _log.warn(
                "{path} can be read by everybody on this machine, and who has read it can pretend "
                "to be this server: chmod o= {path}",
                path=str(self._tls.private_key),
            )
        self._remind()

    def _remind(self) -> None:
        remark = self._certificate.remark(self._unix_s()) if self._certificate else ""
        if remark:
            _log.warn(
                "the certificate in {path} {remark}", path=str(self._tls.certificate), remark=remark
            )


class Encrypting(ServerFactory):
    """Wraps connections in TLS; who is turned away without a word has none.

    Args:
        factory: What the connections are for.
        tls: What wraps them.
    """

    noisy = False

    def __init__(self, factory: ServerFactory, tls: TLSMemoryBIOFactory) -> None:
        self._factory = factory
        self._tls = tls

    @override
    def buildProtocol(self, addr: IAddress | None) -> Protocol | None:
        protocol = self._factory.buildProtocol(addr)
        return None if protocol is None else self._tls.protocol(self._tls, protocol)


def _broke(failure: Failure) -> None:
    _log.failure("looking whether the certificate ends", failure)
