"""SRTP as viewers meet it: who is told of it, which keys they get, and what is done with theirs."""

import pylibsrtp
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override

from mjpegd.encryption.keying import Keying
from mjpegd.rtp import RTCPProtocol
from mjpegd.senders.secure import SecureSender
from mjpegd.session import Owner, Session
from mjpegd.test.conversation import (
    STARTED_UNIX_S,
    TCP,
    UDP,
    URL,
    VIEWER,
    Client,
    Ports,
    Server,
    header,
    jpegs,
    said,
)
from mjpegd.test.encryption import REPORTER, SecureViewer, header_of
from mjpegd.test.fakes import RecordingSender
from mjpegd.test.pictures import number_of
from mjpegd.wire.clock import ntp_timestamp
from mjpegd.wire.headers import KeyManagement, Transport
from mjpegd.wire.messages import InterleavedFrame, Response
from mjpegd.wire.mikey import CryptoSession, KeyMessage, Suite
from mjpegd.wire.packets import PacketTrain, RTPPacket
from mjpegd.wire.reports import (
    ReceiverReport,
    ReportBlock,
    SenderReport,
    compound,
    parse_compound,
)
from mjpegd.wire.sdp import Description

SECURE_UDP = "RTP/SAVP;unicast;client_port=5000-5001"
SECURE_TCP = "RTP/SAVP/TCP;unicast;interleaved=2-3"
GSTREAMER = "GStreamer/1.22.0"
FFMPEG = "Lavf59.27.100"


class RawSender(RecordingSender):
    """A way that keeps packets and reports as they are.

    Attributes:
        packets: Each packet.
        sealed: Each report.
    """

    def __init__(self) -> None:
        super().__init__()
        self.packets: list[bytes] = []
        self.sealed: list[bytes] = []

    @override
    def send_train(self, train: PacketTrain, spread_s: float) -> None:
        self.packets += [bytes(packet) for packet in train.packets()]

    @override
    def send_report(self, compound: bytes) -> None:
        self.sealed.append(compound)


class RawPorts(Ports):
    """Media ports whose packets are kept as they are."""

    def __init__(self) -> None:
        super().__init__()
        self.raw: list[RawSender] = []

    @override
    def sender(self, host: str, ports: tuple[int, int], local_host: str) -> RawSender:
        self.raw.append(RawSender())
        return self.raw[-1]


class Chance:
    """Random bytes that a test can foretell; no two of them are the same."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, size: int) -> bytes:
        self.count += 1
        return self.count.to_bytes(size, "big")


class EncryptedTests(SynchronousTestCase):
    @override
    def setUp(self) -> None:
        self.ports = RawPorts()
        keying = Keying(lambda: STARTED_UNIX_S, Chance())
        self.server = Server(loop=True, keying=keying, ports=self.ports)
        self.client = self.server.connect(is_secure=True)
        self.viewer = SecureViewer()

    def describe(self, url: str = URL, agent: str = GSTREAMER) -> Description:
        return Description.parse(self.client.ask("DESCRIBE", url, User_Agent=agent).body)

    def setup(
        self, transport: str = SECURE_UDP, client: Client | None = None, **headers: str | None
    ) -> Response:
        client = client or self.client
        return client.setup(transport, URL, **{"KeyMgmt": self.viewer.header, **headers})

    def told(self, answer: Response) -> KeyMessage:
        """The key that an answer tells; the viewer takes what comes for encrypted with it."""
        message = KeyMessage.parse(KeyManagement.parse(header(answer, "KeyMgmt")).message)
        self.viewer.is_told(message)
        return message

    def described_key(self) -> KeyMessage:
        message = self.describe().key_message
        assert message is not None
        return KeyMessage.parse(message)

    def session(self) -> Session:
        return self.server.registry.find(self.client.session, Owner(VIEWER))


class DescriptionTests(EncryptedTests):
    def test_players_that_speak_srtp_are_told_of_it(self) -> None:
        description = self.describe()

        self.assertEqual(description.profile, "RTP/SAVP")
        assert description.key_message is not None
        message = KeyMessage.parse(description.key_message)
        self.assertEqual(message.suite, Suite.AES_CM_128_HMAC_SHA1_80)
        self.assertEqual(message.sessions, (CryptoSession(0),))
        self.assertEqual(message.ntp, ntp_timestamp(STARTED_UNIX_S))

    def test_all_others_are_not_unless_they_ask(self) -> None:
        for query, agent, profile in (
            ("", FFMPEG, "RTP/AVP"),
            ("", "", "RTP/AVP"),
            ("?srtp=1", FFMPEG, "RTP/SAVP"),
            ("?srtp=0", GSTREAMER, "RTP/AVP"),
        ):
            description = self.describe(URL + query, agent)
            self.assertEqual(description.profile, profile, (query, agent))
            self.assertEqual(description.key_message is None, profile == "RTP/AVP")

    def test_every_description_has_a_key_of_its_own(self) -> None:
        self.assertNotEqual(self.described_key().master, self.described_key().master)

    def test_nobody_is_told_in_the_clear(self) -> None:
        self.client = self.server.connect()

        for query in ("", "?srtp=1"):
            description = self.describe(URL + query)
            self.assertEqual((description.profile, description.key_message), ("RTP/AVP", None))

    def test_nobody_is_told_where_there_is_no_library(self) -> None:
        self.client = Server().connect(is_secure=True)

        with capturedLogs() as events:
            self.assertEqual(self.describe().profile, "RTP/AVP")
            self.assertEqual(self.setup().status, 461)

        self.assertTrue(any("pip install 'mjpegd[srtp]'" in line for line in said(events)))


class SetupTests(EncryptedTests):
    def test_the_answer_tells_the_key_that_the_description_told_and_the_source(self) -> None:
        described = self.described_key()

        answer = self.setup()

        self.assertEqual(answer.status, 200)
        transport = Transport.parse(header(answer, "Transport"))
        ssrc = self.session().rtp.ssrc
        self.assertEqual((transport.profile, transport.client_port), ("RTP/SAVP", (5000, 5001)))
        self.assertEqual((transport.ssrc, transport.server_port), (ssrc, (6970, 6971)))
        told = self.told(answer)
        self.assertEqual((told.master, told.sessions), (described.master, (CryptoSession(ssrc),)))
        self.assertEqual(KeyManagement.parse(header(answer, "KeyMgmt")).url, URL)

    def test_a_viewer_that_was_told_no_key_has_chosen_it(self) -> None:
        for suite in Suite:
            self.viewer = SecureViewer(suite)
            told = self.told(self.setup(client=self.server.connect(is_secure=True)))

            self.assertEqual((told.suite, told.master), (suite, self.viewer.message.master))

    def test_a_key_that_was_told_is_for_one_session(self) -> None:
        described = self.described_key()
        first, second = self.told(self.setup()), self.told(self.setup(SECURE_TCP))

        self.assertEqual(first.master, described.master)
        self.assertEqual(second.master, self.viewer.message.master)

    def test_a_setup_that_is_refused_does_not_use_up_the_key(self) -> None:
        described = self.described_key()
        self.setup(KeyMgmt=None)

        self.assertEqual(self.told(self.setup()).master, described.master)

    def test_a_key_is_not_kept_for_another_description(self) -> None:
        self.describe()
        self.describe(agent=FFMPEG)

        self.assertEqual(self.told(self.setup()).master, self.viewer.message.master)

    def test_packets_may_travel_on_the_connection(self) -> None:
        transport = Transport.parse(header(self.setup(SECURE_TCP), "Transport"))

        self.assertEqual((transport.profile, transport.interleaved), ("RTP/SAVP", (2, 3)))

    def test_the_log_says_how_packets_are_protected(self) -> None:
        with capturedLogs() as events:
            self.setup()
            self.setup(SECURE_TCP)

        lines = "\n".join(said(events))
        self.assertIn("UDP, ports 5000-5001, SRTP by AES_CM_128_HMAC_SHA1_80", lines)
        self.assertIn("TCP, channels 2-3, SRTP by AES_CM_128_HMAC_SHA1_80", lines)

    def test_it_is_refused_in_the_clear(self) -> None:
        client = self.server.connect()

        for transport in (SECURE_UDP, SECURE_TCP):
            self.assertEqual(self.setup(transport, client).status, 461)
        self.assertEqual(self.setup(f"{SECURE_TCP},{TCP}", client).status, 200)

    def test_messages_that_make_no_key_are_463(self) -> None:
        whole = self.viewer.message.to_bytes()
        for value in (
            None,
            "",
            "prot=mikey",
            'prot=mikey;data="x"',
            f"prot=other;data={header_of(whole).rpartition('=')[2]}",
            header_of(b""),
            header_of(whole[:-1]),
            header_of(b"\x02" + whole[1:]),
        ):
            answer = self.setup(KeyMgmt=value)
            self.assertEqual((answer.status, answer.reason), (463, "Key Management Failure"), value)
        self.assertEqual(len(self.server.registry), 0)

    def test_keys_do_not_begin_anew_in_a_session(self) -> None:
        for transport in (SECURE_UDP, UDP.replace("5000-5001", "5002-5003")):
            self.setup(transport)
            answer = self.setup(Session=self.client.session)
            self.assertEqual(answer.status, 455)

    def test_players_without_srtp_still_play_on_the_connection(self) -> None:
        self.describe(URL + "?srtp=1", FFMPEG)

        answer = self.client.setup(TCP)

        self.assertEqual(answer.status, 200)
        self.assertEqual(Transport.parse(header(answer, "Transport")).profile, "RTP/AVP")


class PlayingTests(EncryptedTests):
    def play_for(self, seconds: float) -> None:
        self.client.ask("PLAY")
        self.server.advance(seconds)

    def test_every_packet_over_udp_is_encrypted_with_the_key_that_was_told(self) -> None:
        self.told(self.setup())
        self.play_for(0.2)

        (way,) = self.ports.raw
        opened = [RTPPacket.parse(self.viewer.opened(packet)) for packet in way.packets]
        self.assertEqual([number_of(jpeg) for jpeg in jpegs(opened)], list(range(5)))

    def test_reports_are_encrypted_too(self) -> None:
        self.told(self.setup())
        self.play_for(0.2)

        (way,) = self.ports.raw
        report = parse_compound(self.viewer.opened_report(way.sealed[0]))[0]
        assert isinstance(report, SenderReport)
        self.assertEqual(report.ssrc, self.session().rtp.ssrc)

    def test_packets_on_the_connection_are_encrypted(self) -> None:
        self.told(self.setup(SECURE_TCP))
        self.play_for(0.2)

        frames = [each for each in self.client.read() if isinstance(each, InterleavedFrame)]
        media = [self.viewer.opened(frame.payload) for frame in frames if frame.channel == 2]
        self.assertEqual(len(jpegs([RTPPacket.parse(packet) for packet in media])), 5)
        reports = [self.viewer.opened_report(each.payload) for each in frames if each.channel == 3]
        self.assertIsInstance(parse_compound(reports[0])[0], SenderReport)

    def test_packets_leave_room_for_what_is_added(self) -> None:
        self.told(self.setup())
        packing = self.session().way.packing
        sender = self.session().way.sender

        self.assertIsInstance(sender, SecureSender)
        self.assertEqual(getattr(packing, "max_payload_bytes", 0), 1356 - 12)

    def test_a_pause_and_a_seek_do_not_disturb_the_keys(self) -> None:
        self.told(self.setup())
        self.play_for(0.1)
        self.client.ask("PAUSE")
        self.client.ask("PLAY", Range="npt=0.5-")
        self.server.advance(0.1)

        opened = [self.viewer.opened(packet) for packet in self.ports.raw[0].packets]
        sequences = [RTPPacket.parse(packet).sequence for packet in opened]
        self.assertEqual(sequences, list(range(sequences[0], sequences[0] + len(sequences))))

    def test_each_viewer_has_its_own(self) -> None:
        other = SecureViewer(seed=50)
        self.told(self.setup())
        self.play_for(0.1)
        client = self.server.connect(is_secure=True)
        client.setup(SECURE_UDP, KeyMgmt=other.header)
        client.ask("PLAY")

        self.viewer.opened(self.ports.raw[0].packets[0])
        self.assertRaises(pylibsrtp.Error, self.viewer.opened, self.ports.raw[1].packets[0])


class ReportTests(EncryptedTests):
    def report(self, lost: int = 7) -> bytes:
        block = ReportBlock(self.session().rtp.ssrc, 0, lost, 0, 0, 0, 0)
        return compound(ReceiverReport(REPORTER, (block,)))

    def arrives(self, packet: bytes, port: int = 5001) -> None:
        registry = self.server.registry
        rtcp = RTCPProtocol(registry.received, self.server.house.tally, registry.opened)
        rtcp.datagramReceived(packet, (VIEWER, port))

    def reports(self) -> int:
        return self.session().rtp.reception.reports

    def test_what_the_viewer_reports_is_opened_with_its_key(self) -> None:
        self.setup()

        self.arrives(self.viewer.sealed_report(self.report()))

        self.assertEqual(self.session().rtp.reception.lost, 7)

    def test_reports_on_the_connection_are_opened(self) -> None:
        self.setup(SECURE_TCP)

        secret = self.viewer.sealed_report(self.report())
        self.client.send(InterleavedFrame(3, secret).to_bytes())

        self.assertEqual(self.session().rtp.reception.lost, 7)

    def test_reports_in_the_clear_are_nobodys(self) -> None:
        self.setup()

        for port in (5000, 5001, 60_000):
            self.arrives(self.report(), port)

        self.assertEqual(self.reports(), 0)

    def test_reports_of_another_key_are_nobodys(self) -> None:
        self.setup()

        self.arrives(SecureViewer(seed=9).sealed_report(self.report()))

        self.assertEqual(self.reports(), 0)

    def test_reports_that_cannot_be_opened_are_counted_and_not_logged_one_by_one(self) -> None:
        self.setup()
        with capturedLogs() as events:
            for _ in range(50):
                self.arrives(self.report())
            self.server.advance(60, step_s=1)

        counted = [line for line in said(events) if "malformed RTCP" in line]
        self.assertEqual(counted, ["1 malformed RTCP packets", "49 malformed RTCP packets"])

    def test_they_do_not_keep_a_session_alive(self) -> None:
        self.setup()
        report = self.report()
        for _ in range(4):
            self.server.advance(20, step_s=1)
            self.arrives(report)

        self.assertEqual(len(self.server.registry), 0)

    def test_a_viewer_in_the_clear_at_the_same_address_is_not_disturbed(self) -> None:
        self.setup()
        secured = self.session()
        plain = self.server.connect()
        plain.setup("RTP/AVP;unicast;client_port=5002-5003")
        session = self.server.registry.find(plain.session, Owner(VIEWER))
        block = ReportBlock(session.rtp.ssrc, 0, 3, 0, 0, 0, 0)

        self.arrives(compound(ReceiverReport(1, (block,))), 5003)

        self.assertEqual((session.rtp.reception.lost, secured.rtp.reception.reports), (3, 0))
