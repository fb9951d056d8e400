"""What real players have stumbled over in other servers, each a test with the pitfall's number.

The numbers are those of the list by which the server was built; what is missing in them belongs
to conversion of JPEGs, to access rights, to tunnels or to live sources.
"""

from dataclasses import replace
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override

from mjpegd.logs import Tally
from mjpegd.rtp import RTCPProtocol, RTPProtocol
from mjpegd.test.conversation import (
    FILM,
    TCP,
    UDP,
    URL,
    VIEWER,
    Client,
    LargeFilm,
    Server,
    byes,
    challenges,
    flat,
    header,
    jpegs,
    large_picture,
    promised,
    said,
)
from mjpegd.test.fakes import FakeFilm
from mjpegd.test.logins import door, password_of
from mjpegd.test.pictures import number_of
from mjpegd.test.tunnelled import HTTPClient
from mjpegd.wire.clock import ntp_timestamp
from mjpegd.wire.jpeg_payload import Payload
from mjpegd.wire.messages import InterleavedFrame, Response
from mjpegd.wire.packets import RTPPacket, sequence_delta, timestamp_delta
from mjpegd.wire.reports import (
    ReceiverReport,
    Report,
    ReportBlock,
    SenderReport,
    SourceDescription,
    compound,
)
from mjpegd.wire.sdp import Description

LAB_SETUP = f"SETUP {FILM} RTSP/1.0\nCSeq: 1\nTransport: RTP/UDP; client_port= 25000"


def trains_of(film: FakeFilm) -> list[list[RTPPacket]]:
    """What a viewer over UDP gets of a film to its end: one train per frame."""
    server = Server(film=film)
    server.connect().play()
    server.advance(2)
    trains = server.sender.trains
    if len(trains) != film.times.count:
        raise AssertionError(f"{len(trains)} of {film.times.count} frames came")
    return trains


def describe(client: Client, uri: str = URL) -> Description:
    return Description.parse(client.ask("DESCRIBE", uri).body)


class PayloadTests(SynchronousTestCase):
    def test_01_every_first_fragment_has_both_tables_and_q_255(self) -> None:
        for train in trains_of(LargeFilm()):
            first, *others = [Payload.parse(packet.payload) for packet in train]

            self.assertEqual(first.q, 255)
            self.assertEqual(len(first.quantization or b""), 128)
            self.assertEqual(train[0].payload[8:12], b"\0\0\0\x80")
            self.assertEqual({part.quantization for part in others}, {None})

    def test_02_fragment_offsets_are_the_bytes_before(self) -> None:
        for train in trains_of(LargeFilm()):
            parts = [Payload.parse(packet.payload) for packet in train]
            self.assertGreater(len(parts), 3)
            self.assertEqual(parts[0].offset, 0)
            for part, following in pairwise(parts):
                self.assertEqual(following.offset, part.offset + len(part.scan))

    def test_03_only_the_last_packet_of_a_frame_has_the_marker(self) -> None:
        for train in trains_of(LargeFilm()):
            self.assertEqual([packet.marker for packet in train[:-1]], [False] * (len(train) - 1))
            self.assertTrue(train[-1].marker)

    def test_04_a_frame_has_one_timestamp_and_the_next_another(self) -> None:
        trains = trains_of(LargeFilm())

        stamps = [{packet.timestamp for packet in train} for train in trains]
        self.assertEqual({len(of_frame) for of_frame in stamps}, {1})
        self.assertEqual(len(set.union(*stamps)), len(trains))


class ConversationTests(SynchronousTestCase):
    @override
    def setUp(self) -> None:
        self.server = Server()
        self.client = self.server.connect()

    def test_10_options_is_200_for_any_url(self) -> None:
        for uri in ("*", URL, "rtsp://192.0.2.1/not/there", "rtsp://192.0.2.1:8554/a b?c", "/"):
            self.assertEqual(self.client.ask("OPTIONS", uri).status, 200)

    def test_11_public_lists_what_gstreamer_needs(self) -> None:
        public = header(self.client.ask("OPTIONS", "*"), "Public").split(", ")

        self.assertLessEqual(
            {"DESCRIBE", "SETUP", "PLAY", "PAUSE", "TEARDOWN", "GET_PARAMETER", "SET_PARAMETER"},
            set(public),
        )

    def test_12_content_base_ends_in_a_slash_and_the_control_is_relative(self) -> None:
        answer = self.client.ask("DESCRIBE")

        self.assertEqual(header(answer, "Content-Base"), f"{URL}/")
        self.assertIn(b"a=control:trackID=0\r\n", answer.body)
        self.assertIn(b"a=control:*\r\n", answer.body)
        self.assertEqual(self.client.setup(uri=f"{URL}/trackID=0").status, 200)

    def test_13_with_a_query_the_control_is_absolute(self) -> None:
        control = describe(self.client, f"{URL}?fps=12").control

        self.assertEqual(control, f"{URL}?fps=12/trackID=0")
        self.assertEqual(self.client.setup(uri=control).status, 200)

    def test_13_a_track_without_its_stream_is_not_found(self) -> None:
        self.assertEqual(self.client.setup(uri="rtsp://192.0.2.1:8554/trackID=0").status, 404)

    def test_14_setup_answers_one_canonical_transport(self) -> None:
        wanted = "RTP/AVP/TCP;multicast , rtp/avp/udp; Unicast ; client_port = 5000-5001;mode=play"

        self.assertEqual(
            header(self.client.setup(wanted), "Transport"),
            "RTP/AVP;unicast;client_port=5000-5001;server_port=6970-6971",
        )
        self.assertEqual(
            header(self.client.setup("rtp/avp/tcp;interleaved=2-3"), "Transport"),
            "RTP/AVP/TCP;unicast;interleaved=2-3",
        )

    def test_15_media_leaves_from_the_address_that_the_client_connected_to(self) -> None:
        transport = header(self.client.setup(), "Transport")

        self.assertIn("server_port=6970-6971", transport)
        self.assertNotIn("source=", transport)
        self.assertEqual(self.server.ports.asked, [(VIEWER, (5000, 5001), "192.0.2.1")])

    def test_16_transports_that_cannot_be_had_are_461(self) -> None:
        for transport in (
            "RTP/AVP;multicast",
            "RTP/AVP/UDP;multicast",
            "RTP/SAVP;unicast;client_port=5000-5001",
            "RAW/RAW/UDP;unicast;client_port=5000-5001",
            "RTP/AVP;unicast",
            "RTP/AVP;unicast;client_port=0-1",
            "RTP/AVP;unicast;client_port=65535-65536",
            "RTP/AVP;unicast;client_port=5001-5000",
            "RTP/AVP;unicast;client_port=99999999999-1",
            "RTP/AVP;unicast;client_port=5000-5001;mode=record",
            "nonsense",
        ):
            self.assertEqual(self.client.setup(transport).status, 461, transport)

    def test_17_a_second_setup_without_session_is_a_new_session(self) -> None:
        self.client.play()
        first = self.client.session
        self.client.ask("PAUSE")

        self.client.setup(TCP)

        self.assertNotEqual(self.client.session, first)
        self.assertEqual(self.client.ask("PLAY").status, 200)
        self.assertEqual(len(self.server.registry), 2)

    def test_18_the_answer_to_play_is_before_the_first_packet(self) -> None:
        self.client.play(TCP)
        self.server.advance(0.1)

        kinds = [type(message) for message in self.client.read()]
        self.assertEqual(kinds[:2], [Response, Response])
        self.assertEqual(set(kinds[2:]), {InterleavedFrame})

    def test_19_play_answers_tell_the_real_range(self) -> None:
        self.client.setup()

        self.assertEqual(header(self.client.ask("PLAY"), "Range"), "npt=0.000-1.000")
        sought = header(self.client.ask("PLAY", Range="npt=0.51-"), "Range")
        self.assertEqual(sought, "npt=0.500-1.000")

    def test_20_21_rtp_info_is_true_to_the_packet(self) -> None:
        self.client.setup()

        for wanted in (None, "npt=0.5-", "npt=0-0.3", "npt=0.9-"):
            before = len(self.server.sender.trains)
            info = promised(self.client.ask("PLAY", Range=wanted))
            first = self.server.sender.trains[before][0]
            self.assertEqual((first.sequence, first.timestamp), (info.sequence, info.timestamp))
            self.server.advance(0.2)

    def test_22_rtp_info_has_the_url_of_setup_to_the_letter(self) -> None:
        uri = "rtsp://Host.Example:08554//movie%2EMjpeg/trackID=0"
        self.client.setup(uri=uri)

        info = header(self.client.ask("PLAY"), "RTP-Info")

        self.assertTrue(info.startswith(f"url={uri};seq="), info)

    def test_23_numbers_go_on_over_pause_seek_and_scale(self) -> None:
        self.client.play()
        for method, headers in (
            ("PAUSE", {}),
            ("PLAY", {}),
            ("PLAY", {"Range": "npt=0.2-"}),
            ("PLAY", {"Scale": "-2"}),
            ("PLAY", {"Range": "npt=0-", "Scale": "4"}),
        ):
            self.server.advance(0.15)
            self.assertEqual(self.client.ask(method, **headers).status, 200)
        self.server.advance(0.15)

        packets = flat(self.server.sender.trains)
        self.assertGreater(len(packets), 10)
        self.assertEqual(len({packet.ssrc for packet in packets}), 1)
        for packet, following in pairwise(packets):
            self.assertEqual(sequence_delta(following.sequence, packet.sequence), 1)
            self.assertGreater(timestamp_delta(following.timestamp, packet.timestamp), 0)

    def test_24_a_seek_past_the_end_is_clamped(self) -> None:
        answer = self.client.play(Range="npt=500-")

        self.assertEqual(answer.status, 200)
        self.assertEqual(header(answer, "Range"), "npt=0.958333-1.000")

    def test_25_no_clock_range_in_a_description(self) -> None:
        for uri in (URL, f"{URL}?loop=1", "rtsp://192.0.2.1/live"):
            self.assertNotIn(b"clock=", self.client.ask("DESCRIBE", uri).body)

    def test_26_what_has_no_end_announces_none(self) -> None:
        self.assertEqual(describe(self.client, f"{URL}?loop=1").range_text, "npt=0.000-")
        self.assertEqual(describe(self.client, "rtsp://192.0.2.1/live").range_text, "npt=now-")
        looping = Server(loop=True).connect()
        self.assertEqual(describe(looping).range_text, "npt=0.000-")
        self.assertEqual(describe(looping, f"{URL}?loop=0").range_text, "npt=0.000-1.000")

    def test_27_a_film_announces_its_end(self) -> None:
        self.assertEqual(describe(self.client).range_text, "npt=0.000-1.000")

    def test_28_a_bye_follows_the_last_frame_after_a_moment(self) -> None:
        self.client.play()
        sender = self.server.sender
        self.server.play_to_end(lambda: len(sender.trains) == 24)
        last_s = self.server.clock.seconds()

        self.server.play_to_end(lambda: bool(byes(sender.reports)))

        self.assertEqual(byes(sender.reports)[0].ssrcs, (sender.trains[0][0].ssrc,))
        self.assertTrue(0.1 <= self.server.clock.seconds() - last_s <= 0.5)
        self.server.advance(5)
        self.assertEqual(len(sender.trains), 24)
        self.assertEqual(len(byes(sender.reports)), 1)

    def test_29_the_connection_stays_open_after_bye(self) -> None:
        self.client.play(TCP)
        self.server.advance(30)

        self.assertEqual(len(byes(self.client.reports())), 1)
        self.assertFalse(self.client.wire.is_half_closed)
        self.assertEqual(self.client.ask("TEARDOWN").status, 200)

    def test_30_any_byte_on_an_interleaved_connection_keeps_it_alive(self) -> None:
        self.client.play(TCP)
        idle_s = self.server.house.limits.interleaved_idle_s

        for sign in (b"\r\n", b"$\x01\x00\x08\x80\xc9\x00\x01\x00\x00\x00\x00", b"$\x07\x00\x00"):
            self.server.advance(0.9 * idle_s, step_s=10)
            self.client.send(sign)

        self.server.advance(0.9 * idle_s, step_s=10)
        self.assertEqual(self.client.ask("GET_PARAMETER").status, 200)

    def test_31_requests_and_rtcp_keep_a_udp_session_alive(self) -> None:
        self.client.setup()
        report = [ReceiverReport(1, ())]
        signs = [
            lambda: self.client.ask("OPTIONS"),
            lambda: self.client.ask("GET_PARAMETER"),
            lambda: self.client.ask("SET_PARAMETER"),
            lambda: self.client.ask("PLAY"),
            lambda: self.client.ask("PLAY", Require="something"),
            lambda: self.client.ask("NONSENSE"),
            lambda: self.server.registry.received(list[Report](report), VIEWER, 5001),
        ]

        for sign in signs:
            self.server.advance(60, step_s=1)
            self.assertEqual(len(self.server.registry), 1)
            sign()
        self.server.advance(80, step_s=1)
        self.assertEqual(len(self.server.registry), 0)

    def test_32_parameters_without_a_body_are_signs_of_life(self) -> None:
        self.client.setup()

        for method in ("GET_PARAMETER", "SET_PARAMETER"):
            answer = self.client.ask(method)
            self.assertEqual(answer.status, 200)
            self.assertTrue(header(answer, "Session").startswith(self.client.session))

    def test_33_the_timeout_follows_at_once(self) -> None:
        session = header(self.client.setup(), "Session")

        self.assertRegex(session, r"\A[0-9]{20};timeout=60\Z")

    def test_34_a_client_that_does_not_read_is_neither_lost_nor_costly(self) -> None:
        server = Server(loop=True, film=LargeFilm())
        client = server.connect()
        client.play(TCP)
        client.wire.is_reading = False

        server.advance(600, step_s=0.04)

        self.assertLess(client.wire.most_waiting, 128 << 10)
        client.wire.read()
        self.assertEqual(client.ask("PAUSE").status, 200)

    def test_35_what_is_dropped_is_dropped_in_whole_frames(self) -> None:
        server = Server(loop=True, film=LargeFilm())
        client = server.connect()
        client.play(TCP)
        for _ in range(5):
            client.wire.is_reading = False
            server.advance(2)
            client.wire.read()
            server.advance(0.2)

        packets = client.packets()
        frames = sum(packet.marker for packet in packets)
        self.assertEqual(len(jpegs(packets)), frames)
        self.assertLess(frames, 24 * 10)

    @given(st.binary(max_size=300))
    def test_36_whatever_comes_to_the_media_ports_is_swallowed(self, datagram: bytes) -> None:
        tally = Tally(Clock(), lambda *_: None)
        for kind in (RTPProtocol, RTCPProtocol):
            protocol = kind(self.server.registry.received, tally)
            with capturedLogs() as events:
                protocol.datagramReceived(datagram, (VIEWER, 5000))
            self.assertEqual(events, [])

    def test_36_what_players_open_their_nat_with_harms_nobody(self) -> None:
        self.client.play()
        rtcp = RTCPProtocol(self.server.registry.received, self.server.house.tally)

        with capturedLogs() as events:
            for datagram in (bytes(200), b"\xfe\xed\xfa\xce", b"\x80" + bytes(11), b"\x80\xc9"):
                RTPProtocol(
                    self.server.registry.received, self.server.house.tally
                ).datagramReceived(datagram, (VIEWER, 5000))
                rtcp.datagramReceived(datagram, (VIEWER, 5001))
            rtcp.datagramReceived(b"\x80\xc9\x00\x01" + bytes(4), (VIEWER, 5001))

        self.assertEqual(events, [])
        self.assertEqual(self.client.ask("GET_PARAMETER").status, 200)

    def test_37_no_interleaved_packet_is_shorter_than_eight_bytes(self) -> None:
        self.client.play(TCP)
        self.server.advance(7)
        self.client.ask("TEARDOWN")

        packets = [one for one in self.client.read() if isinstance(one, InterleavedFrame)]
        self.assertTrue(packets)
        self.assertGreaterEqual(min(len(packet.payload) for packet in packets), 8)

    def test_38_39_the_last_challenge_is_md5_in_the_form_that_is_read_by_places(self) -> None:
        answer = Server(door=door()).connect().ask("DESCRIBE")

        last = answer.headers.get_all("WWW-Authenticate")[-1]
        self.assertRegex(
            last, r'\ADigest realm="[^"]+", nonce="[^"]{1,299}", stale=false, algorithm="MD5"\Z'
        )

    def test_40_no_qop_is_offered_and_answers_with_and_without_are_taken(self) -> None:
        client = Server(door=door()).connect()
        client.log_in("anna", password_of("anna"))
        user, password, challenge = client.login or self.fail("no login")

        for qop in ((), ("auth",)):
            client.login = user, password, replace(challenge, qop=qop)
            self.assertEqual(client.ask("DESCRIBE").status, 200)
        for offered in challenges(Server(door=door()).connect().ask("DESCRIBE")):
            self.assertEqual(offered.qop, ())

    def test_41_the_uri_of_an_answer_may_be_the_base_or_a_path(self) -> None:
        client = Server(door=door()).connect()
        client.log_in("anna", password_of("anna"))

        for uri in (URL, f"{URL}/", f"/{FILM}", f"{URL}/trackID=0"):
            proof = client.authorization("SETUP", uri)
            answer = client.setup(uri=f"{URL}/trackID=0", Authorization=proof)
            self.assertEqual(answer.status, 200, uri)

    def test_42_a_nonce_that_is_too_old_is_called_stale(self) -> None:
        server = Server(door=door())
        client = server.connect()
        client.log_in("anna", password_of("anna"))
        server.clock.advance(server.house.limits.nonce_s)
        later = server.connect()
        later.login = client.login

        answer = later.ask("DESCRIBE")

        self.assertEqual(answer.status, 401)
        self.assertIn("stale=true", answer.headers.get_all("WWW-Authenticate")[-1])

    def test_43_a_description_is_answered_within_five_seconds_and_is_short(self) -> None:
        self.server.shelf.films["growing"] = FakeFilm(complete=False)
        self.client.send(self.client.text("DESCRIBE", "rtsp://192.0.2.1/growing"))

        self.server.advance(2)

        [answer] = self.client.responses()
        self.assertEqual(answer.status, 200)
        self.assertLess(len(answer.to_bytes()), 20_000)
        self.assertEqual(Description.parse(answer.body).range_text, "npt=0.000-")

    def test_44_vlc_without_live555_is_refused_and_told_in_the_log(self) -> None:
        with capturedLogs() as events:
            answer = self.client.setup(CSeq="0")

        self.assertEqual(answer.status, 461)
        self.assertIn("live555", said(events)[0])
        self.assertEqual(len(self.server.registry), 0)

    def test_45_no_request_is_ever_sent_to_a_client(self) -> None:
        self.client.play(TCP)
        self.server.advance(200, step_s=0.5)
        self.client.ask("TEARDOWN")

        # Everything was read as an answer or a packet.
        self.assertEqual(len(self.client.responses()), 3)

    def test_46_the_post_of_a_tunnel_is_base64_of_any_length_and_not_answered(self) -> None:
        client = HTTPClient(self.server)
        for number in range(400):  # 32767 bytes, as is announced, and more
            client.send(f"OPTIONS {URL} RTSP/1.0\r\nCSeq: {number}\r\n\r\n")
            self.server.advance(0.1)

        self.assertEqual(len(client.responses()), 400)
        self.assertEqual(client.post.raw(), b"")

    def test_47_an_unknown_requirement_is_551(self) -> None:
        answer = self.client.ask("DESCRIBE", Require="www.onvif.org/ver20/backchannel")

        self.assertEqual(answer.status, 551)
        self.assertEqual(header(answer, "Unsupported"), "www.onvif.org/ver20/backchannel")

    def test_48_rtsp_2_is_505(self) -> None:
        answer = self.client.answer(f"OPTIONS {URL} RTSP/2.0\r\nCSeq: 7\r\n\r\n")

        self.assertEqual((answer.status, answer.version), (505, "RTSP/1.0"))
        self.assertEqual(header(answer, "CSeq"), "7")

    def test_50_a_sender_report_comes_with_the_first_packet_and_tells_the_time(self) -> None:
        info = promised(self.client.play())

        report, description = self.server.sender.reports[0]
        self.assertIsInstance(description, SourceDescription)
        assert isinstance(report, SenderReport)
        self.assertEqual(report.ntp, ntp_timestamp(self.server.unix_s()))
        self.assertEqual(report.rtp_timestamp, info.timestamp)

        self.server.advance(0.5)
        self.client.ask("PAUSE")
        self.client.ask("PLAY")
        self.assertEqual(len(self.server.sender.reports), 2)

    def test_51_header_names_match_in_any_case(self) -> None:
        answer = self.client.answer(
            f"SETUP {URL} RTSP/1.0\r\ncseq:  4 \r\nTRANSPORT: {UDP} \r\n\r\n"
        )
        self.assertEqual((answer.status, header(answer, "CSeq")), (200, "4"))

        session = header(answer, "Session").partition(";")[0]
        answer = self.client.answer(
            f"PLAY {URL} RTSP/1.0\r\nsEsSiOn:  {session} ; timeout=60 \r\nCSEQ:5\r\n\r\n"
        )
        self.assertEqual(answer.status, 200)

    def test_52_the_laboratory_is_answered_without_an_empty_line(self) -> None:
        self.client.send(LAB_SETUP)
        self.server.advance(0.1)

        self.assertTrue(self.client.raw().startswith(b"RTSP/1.0 200 OK\nCSeq: 1\nSession: "))

    def test_53_answers_to_the_laboratory_are_three_lines(self) -> None:
        self.client.send(LAB_SETUP + "\n\n")

        self.assertRegex(
            self.client.raw(), rb"\ARTSP/1\.0 200 OK\nCSeq: 1\nSession: [1-9][0-9]{5}\n\Z"
        )

    def test_54_frames_for_the_laboratory_are_whole_and_fit(self) -> None:
        count, size = 6, (1200, 900)
        self.assertGreater(min(len(large_picture(number, size)) for number in range(count)), 20_468)
        server = Server(film=LargeFilm(count, size))
        client = server.connect()
        client.send(LAB_SETUP + "\n\n")
        client.send(f"PLAY {FILM} RTSP/1.0\nCSeq: 2\n\n")
        server.advance(1)

        packets = flat(server.sender.trains)
        self.assertEqual([packet.sequence for packet in packets], list(range(1, count + 1)))
        self.assertEqual([number_of(packet.payload) for packet in packets], list(range(count)))
        for packet in packets:
            self.assertTrue(packet.marker)
            self.assertLessEqual(len(packet.payload), 20_468)
            self.assertEqual((packet.payload[:2], packet.payload[-2:]), (b"\xff\xd8", b"\xff\xd9"))

    def test_55_userinfo_is_stripped_and_never_echoed(self) -> None:
        uri = URL.replace("rtsp://", "rtsp://joe:secret@")

        with capturedLogs() as events:
            answers = [self.client.ask("DESCRIBE", uri), self.client.setup(uri=uri)]
            answers.append(self.client.ask("PLAY", uri))
            answers.append(self.client.ask("DESCRIBE", f"{uri}?fps=-1"))
            self.client.ask("TEARDOWN", uri)

        self.assertEqual([answer.status for answer in answers], [200, 200, 200, 400])
        for answer in answers:
            self.assertNotIn(b"secret", answer.to_bytes())
        self.assertNotIn("secret", "".join(said(events)))

    def test_56_a_client_that_disappears_is_cleaned_up(self) -> None:
        over_udp, over_tcp = self.client, self.server.connect()
        over_udp.play()
        over_tcp.play(TCP)

        over_tcp.close()
        self.assertEqual(len(self.server.registry), 1)
        over_udp.close()
        self.server.advance(9)
        self.assertEqual(len(self.server.registry), 1)
        self.server.advance(2.1)
        self.assertEqual(len(self.server.registry), 0)

    def test_57_no_packet_is_sent_twice(self) -> None:
        self.client.play()
        self.server.advance(2)

        numbers = [packet.sequence for packet in flat(self.server.sender.trains)]
        self.assertEqual(len(numbers), 24)
        self.assertEqual(len(set(numbers)), 24)

    def test_58_a_train_may_be_spread_over_half_the_frame_interval(self) -> None:
        self.client.play()
        self.server.advance(0.5)

        spreads_s = self.server.sender.spreads_s
        self.assertEqual(len(spreads_s), 13)
        for spread_s in spreads_s:
            self.assertAlmostEqual(spread_s, 0.5 / 24, places=6)


class ReceptionTests(SynchronousTestCase):
    def test_what_a_viewer_reports_is_said_at_its_end(self) -> None:
        server = Server()
        client = server.connect()
        client.play()
        server.advance(0.1)
        ssrc = server.sender.trains[0][0].ssrc
        block = ReportBlock(ssrc, 0, 3, 0, 900, 0, 0)
        RTCPProtocol(server.registry.received, server.house.tally).datagramReceived(
            compound(ReceiverReport(9, (block,))), (VIEWER, 5001)
        )

        with capturedLogs() as events:
            client.ask("TEARDOWN")

        self.assertIn("3 packets lost, jitter 10.0 ms", said(events)[-1])
