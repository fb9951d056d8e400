"""Tests of `client.media.link`."""

from collections.abc import Coroutine
from random import Random
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override

from mjpegd.test.pictures import picture
from mjpegd.wire.headers import Lower, Transport
from mjpegd.wire.packets import RTPPacket
from mjpegd.wire.reports import Bye, parse_compound

from ..errors import RefusedError, UnplayableError
from ..interfaces import Cue, ReceivedFrame
from ..media.assembling import LaboratoryAssembler
from ..media.intake import Identity, Intake, Outlets
from ..media.jitterbuffer import JitterBuffer
from ..media.link import Link, link_over_tcp, link_over_udp
from ..media.receiver import RECEIVE_BUFFER_BYTES
from .fakes import SERVER, SERVER_PORTS, FakeDialogue, FakeNetwork, FakePort

FIRST = 25_000
MEDIA_HOST = "198.51.100.7"
PACKET = RTPPacket(26, True, 1, 0, 0xCAFE, picture(1)).to_bytes()

Linking = Coroutine["Deferred[Any]", Any, Link]  # a coroutine takes whatever Deferreds bring


class LinkCase(SynchronousTestCase):
    @override
    def setUp(self) -> None:
        self.network = FakeNetwork()
        self.dialogue = FakeDialogue(answers_at_once=True)
        self.frames: list[ReceivedFrame] = []
        self.intake = Intake(
            self.network,
            Random(1),
            Identity.random(Random(1)),
            26,
            JitterBuffer(LaboratoryAssembler(), 0.0),
            Outlets(self.frames.append, lambda: None),
        )

    def udp(self) -> Linking:
        return link_over_udp(self.network, Random(1), self.dialogue, self.intake, FIRST)

    def tcp(self) -> Linking:
        return link_over_tcp(self.dialogue, self.intake)

    def linked(self, linking: Linking) -> Link:
        """A link that plays."""
        link = self.successResultOf(Deferred.fromCoroutine(linking))
        self.intake.expect()
        self.intake.begin(Cue())
        return link

    def port(self, number: int) -> FakePort:
        return self.network.ports[number]


class UDPTests(LinkCase):
    def test_ports_are_asked_for(self) -> None:
        link = self.linked(self.udp())

        self.assertEqual(link.lower, Lower.UDP)
        self.assertEqual(
            self.dialogue.events, [("setup", Transport(client_port=(FIRST, FIRST + 1)))]
        )

    def test_packets_are_taken_in(self) -> None:
        self.linked(self.udp())

        self.port(FIRST).receive(PACKET)

        self.assertEqual(len(self.frames), 1)

    def test_packets_may_come_from_where_the_server_says(self) -> None:
        self.dialogue.answers_at_once = False
        linking = Deferred.fromCoroutine(self.udp())
        self.dialogue.answer_with(Transport(server_port=SERVER_PORTS, source=MEDIA_HOST))
        self.successResultOf(linking)
        self.intake.begin(Cue())

        self.port(FIRST).receive(PACKET, MEDIA_HOST)

        self.assertEqual(len(self.frames), 1)

    def test_reports_leave_from_the_second_port(self) -> None:
        link = self.linked(self.udp())
        rtcp = self.port(FIRST + 1)

        link.close()

        ((data, to),) = rtcp.sent
        self.assertIsInstance(parse_compound(data)[-1], Bye)
        self.assertEqual(to, (SERVER, SERVER_PORTS[1]))

    def test_closing_gives_the_ports_back(self) -> None:
        self.linked(self.udp()).close()

        self.assertEqual(self.network.ports, {})
        self.assertEqual(self.network.getDelayedCalls(), [])

    def test_refusal_gives_the_ports_back(self) -> None:
        self.dialogue.answers_at_once = False
        linking = Deferred.fromCoroutine(self.udp())

        self.dialogue.refuse(RefusedError("No.", "SETUP", 461))

        self.failureResultOf(linking, RefusedError)
        self.assertEqual(self.network.ports, {})

    def test_who_does_not_wait_gives_the_ports_back(self) -> None:
        self.dialogue.answers_at_once = False
        linking = Deferred.fromCoroutine(self.udp())

        linking.cancel()

        self.failureResultOf(linking, CancelledError)
        self.assertEqual((self.network.ports, self.dialogue.questions), ({}, []))

    def test_no_ports_are_free(self) -> None:
        self.network.taken = range(0x10000)

        self.failureResultOf(Deferred.fromCoroutine(self.udp()), UnplayableError)
        self.assertEqual(self.dialogue.events, [])

    def test_ports_are_of_the_servers_family(self) -> None:
        for host, interface in ((SERVER, "0.0.0.0"), ("2001:db8::1", "::")):
            self.dialogue.server_host = host

            link = self.linked(self.udp())

            self.assertEqual(self.port(FIRST).interface, interface)
            link.close()

    def test_small_receive_buffer_is_told(self) -> None:
        self.network.receive_buffer.limit_bytes = 212_992

        with capturedLogs() as logs:
            self.linked(self.udp())

        (line,) = map(formatEvent, logs)
        self.assertIn("gives 208 KiB of receive buffer instead of 4096", line)
        self.assertIn(f"`sysctl -w net.core.rmem_max={RECEIVE_BUFFER_BYTES}`", line)

    def test_large_receive_buffer_is_not(self) -> None:
        with capturedLogs() as logs:
            self.linked(self.udp())

        self.assertEqual(logs, [])

    def test_what_comes_in_the_connection_is_passed_over(self) -> None:
        link = self.linked(self.udp())

        link.take_interleaved(0, PACKET, 0.0)

        self.assertEqual(self.frames, [])


class TCPTests(LinkCase):
    def over_channels(self, channels: tuple[int, int] | None) -> Link:
        self.dialogue.answers_at_once = False
        linking = Deferred.fromCoroutine(self.tcp())
        self.dialogue.answer_with(Transport(lower=Lower.TCP, interleaved=channels))
        self.intake.begin(Cue())
        return self.successResultOf(linking)

    def test_channels_are_asked_for(self) -> None:
        link = self.linked(self.tcp())

        wanted = Transport(lower=Lower.TCP, interleaved=(0, 1))
        self.assertEqual(link.lower, Lower.TCP)
        self.assertEqual(self.dialogue.events, [("setup", wanted)])
        self.assertEqual(self.network.ports, {})

    def test_packets_are_taken_in(self) -> None:
        link = self.linked(self.tcp())

        link.take_interleaved(0, PACKET, 0.0)

        self.assertEqual(len(self.frames), 1)

    def test_server_chooses_the_channels(self) -> None:
        link = self.over_channels((4, 5))

        link.take_interleaved(0, PACKET, 0.0)
        self.assertEqual(self.frames, [])
        link.take_interleaved(4, PACKET, 0.0)

        self.assertEqual(len(self.frames), 1)

    def test_server_does_not_repeat_them(self) -> None:
        link = self.over_channels(None)

        link.take_interleaved(0, PACKET, 0.0)

        self.assertEqual(len(self.frames), 1)

    def test_reports_go_on_the_second_channel(self) -> None:
        self.over_channels((4, 5)).close()

        name, channel, data = self.dialogue.events[-1]
        assert isinstance(data, bytes)
        self.assertEqual((name, channel), ("send_interleaved", 5))
        self.assertIsInstance(parse_compound(data)[-1], Bye)

    def test_refusal(self) -> None:
        self.dialogue.answers_at_once = False
        linking = Deferred.fromCoroutine(self.tcp())

        self.dialogue.refuse(RefusedError("No.", "SETUP", 461))

        self.failureResultOf(linking, RefusedError)
