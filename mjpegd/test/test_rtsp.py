"""The connection: answered in order, counted, given up for others, and not hurt by slow readers."""

import re

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override

from mjpegd.capacity.admission import FAREWELL_S, MAX_REFUSALS
from mjpegd.limits import Limits
from mjpegd.session import Owner
from mjpegd.test.conversation import (
    BUFFER_BYTES,
    TCP,
    UDP,
    URL,
    VIEWER,
    LargeFilm,
    Server,
    byes,
    header,
    jpegs,
    said,
)
from mjpegd.test.logins import EVERYTHING, door, password_of
from mjpegd.test.test_hearing import EXPECTED, OPTIONS, conversation, options, statuses
from mjpegd.wire.headers import NptRange
from mjpegd.wire.messages import InterleavedFrame
from mjpegd.wire.reports import ReceiverReport, ReportBlock


class AnswerTests(SynchronousTestCase):
    @override
    def setUp(self) -> None:
        self.server = Server()
        self.client = self.server.connect()

    def test_a_pipelined_conversation_is_answered_in_order(self) -> None:
        self.client.send(conversation())

        self.assertEqual(statuses(self.client), EXPECTED)

    def test_calls_that_are_late_are_made_before_each_piece(self) -> None:
        before = self.server.catch_ups
        self.client.send(conversation())
        self.client.send(b"O")

        self.assertEqual(self.server.catch_ups, before + 2)

    def test_calls_that_are_late_are_made_for_each_connection_that_comes_or_closes(self) -> None:
        before = self.server.catch_ups
        clients = [self.server.connect() for _ in range(3)]
        self.assertEqual(self.server.catch_ups, before + 3)

        for client in clients:
            client.close()

        self.assertEqual(self.server.catch_ups, before + 6)

    def test_calls_that_are_late_are_made_for_each_connection_that_was_told_its_last(self) -> None:
        before = self.server.catch_ups

        IHalfCloseableProtocol(self.client.wire.protocol).writeConnectionLost()

        self.assertEqual(self.server.catch_ups, before + 1)

    def test_calls_that_are_late_are_made_before_an_answer_that_had_to_wait(self) -> None:
        self.server.shelf.opening = Deferred()
        self.client.send(self.client.text("DESCRIBE"))
        before = self.server.catch_ups
        self.server.shelf.opening.callback(None)

        self.assertGreater(self.server.catch_ups, before)

    def test_one_request_is_answered_before_the_next_is_looked_at(self) -> None:
        opening: Deferred[None] = Deferred()
        self.server.shelf.opening = opening
        self.client.send(self.client.text("DESCRIBE") + self.client.text("OPTIONS"))
        self.client.send(b"$\x00\x00\x02ab" + self.client.text("SETUP", Transport=UDP))

        self.assertEqual(self.client.responses(), [])
        opening.callback(None)
        self.assertEqual(statuses(self.client), [(200, "1"), (200, "2"), (200, "3")])

    def test_every_answer_says_when_and_who(self) -> None:
        for method in ("OPTIONS", "DESCRIBE", "PLAY", "NONSENSE", "RECORD"):
            answer = self.client.ask(method)
            self.assertEqual(header(answer, "Date"), "Tue, 14 Nov 2023 22:13:20 GMT")
            self.assertTrue(header(answer, "Server").startswith("mjpegd/"))

    def test_the_number_is_echoed_as_it_came(self) -> None:
        self.assertEqual(
            header(self.client.ask("OPTIONS", CSeq="0000000007"), "CSeq"), "0000000007"
        )


class RoomTests(SynchronousTestCase):
    def test_a_silent_connection_without_session_is_closed(self) -> None:
        server = Server()
        silent, padding, with_session = server.connect(), server.connect(), server.connect()
        with_session.setup(TCP)
        for _ in range(122):
            padding.send(b"\r\n")
            server.advance(1, step_s=1)

        self.assertTrue(silent.wire.is_half_closed)
        self.assertTrue(padding.wire.is_half_closed)
        self.assertFalse(with_session.wire.is_half_closed)

    def test_a_connection_whose_sessions_have_ended_is_idle_too(self) -> None:
        server = Server()
        client = server.connect()
        client.setup(UDP)

        server.advance(300, step_s=1)

        self.assertTrue(client.wire.is_closed)

    def test_too_many_connections_are_503_where_all_have_sessions(self) -> None:
        server = Server(Limits(connections=2))
        first, second = (server.connect(f"192.0.2.{number}") for number in range(2))
        for client in (first, second):
            client.setup(UDP)
        third = server.connect("192.0.2.3")

        self.assertEqual([answer.status for answer in third.responses()], [503])
        self.assertTrue(third.wire.is_half_closed)
        server.advance(FAREWELL_S)
        self.assertTrue(third.wire.is_closed)
        first.close()
        self.assertEqual(second.ask("OPTIONS").status, 200)
        self.assertEqual(server.connect().ask("OPTIONS").status, 200)

    def test_who_has_been_without_a_request_or_session_the_longest_gives_way(self) -> None:
        server = Server(Limits(connections=4))
        idle, asking, seated, begun = (server.connect(f"192.0.2.{number}") for number in range(4))
        seated.setup(UDP)
        begun.send(f"OPTIONS {URL} RTSP/1.0\r\nCSeq: 7\r\n")
        asking.ask("OPTIONS")
        newer = [server.connect("192.0.2.9") for _ in range(2)]

        self.assertEqual([answer.status for answer in idle.responses()], [503])
        self.assertEqual(statuses(begun), [(503, "7")])
        self.assertTrue(idle.wire.is_closed and begun.wire.is_closed)
        for client in (asking, seated, *newer):
            self.assertEqual(client.ask("OPTIONS").status, 200)

    def test_who_gave_up_its_session_may_give_way(self) -> None:
        server = Server(Limits(connections=1))
        viewer = server.connect()
        viewer.setup(UDP)
        self.assertEqual([answer.status for answer in server.connect().responses()], [503])

        viewer.ask("TEARDOWN")

        self.assertEqual(server.connect().ask("OPTIONS").status, 200)
        self.assertTrue(viewer.wire.is_closed)

    def test_whose_session_timed_out_may_give_way(self) -> None:
        server = Server(Limits(connections=1, idle_s=3600.0))
        viewer = server.connect()
        viewer.setup(UDP)
        server.advance(74, step_s=1)

        self.assertEqual(server.connect().ask("OPTIONS").status, 200)
        self.assertTrue(viewer.wire.is_closed)

    def test_a_laboratory_client_with_a_session_stays(self) -> None:
        server = Server(Limits(connections=1))
        student = server.connect()
        student.send(
            b"SETUP movie.Mjpeg RTSP/1.0\nCSeq: 1\nTransport: RTP/UDP; client_port= 5000\n"
        )
        server.advance(0.1)

        self.assertEqual([answer.status for answer in server.connect().responses()], [503])

    def test_one_address_makes_room_among_its_own(self) -> None:
        server = Server(Limits(connections_per_address=1))
        first = server.connect("192.0.2.7")

        other = server.connect("192.0.2.8")
        # An IPv4 address that an IPv6 socket shows is the same address.
        second = server.connect("::ffff:192.0.2.7")

        self.assertEqual([answer.status for answer in first.responses()], [503])
        for client in (other, second):
            self.assertEqual(client.ask("OPTIONS").status, 200)

    def test_where_there_are_users_who_does_not_log_in_is_closed(self) -> None:
        server = Server(door=door({"anna": EVERYTHING}, everyone='watch = ["live"]'))
        silent, asking, known, watching = (server.connect() for _ in range(4))
        known.log_in("anna", password_of("anna"))
        known.ask("DESCRIBE")
        watching.setup(TCP, f"{URL.rpartition('/')[0]}/live")
        for _ in range(int(server.house.limits.login_s / 5)):
            asking.ask("DESCRIBE")
            server.advance(5, step_s=1)
        server.advance(FAREWELL_S, step_s=1)

        closed = [client.wire.is_closed for client in (silent, asking, known, watching)]
        self.assertEqual(closed, [True, True, False, False])

    def test_who_has_not_logged_in_gives_way_to_others_who_have_not(self) -> None:
        server = Server(Limits(unauthenticated=2), door=door())
        known = server.connect()
        known.log_in("anna", password_of("anna"))
        known.ask("DESCRIBE")
        strangers = [server.connect() for _ in range(3)]

        self.assertEqual([client.wire.is_closed for client in strangers], [True, False, False])
        self.assertFalse(known.wire.is_closed)

    def test_without_users_nobody_is_a_stranger(self) -> None:
        server = Server(Limits(unauthenticated=1, login_s=1.0))
        clients = [server.connect() for _ in range(3)]
        server.advance(10, step_s=1)

        self.assertFalse(any(client.wire.is_closed for client in clients))

    def test_a_flood_of_connections_is_closed_without_a_word_and_is_few_lines(self) -> None:
        server = Server(Limits(connections=0))

        with capturedLogs() as events:
            for _ in range(MAX_REFUSALS):
                server.connect()
            for _ in range(100):
                self.assertRaises(ConnectionRefusedError, server.connect)
            server.advance(11, step_s=1)

        self.assertEqual(len(events), 2)
        self.assertEqual(len(server.connect().responses()), 1)


class SlowReaderTests(SynchronousTestCase):
    @override
    def setUp(self) -> None:
        self.server = Server(loop=True, film=LargeFilm())
        self.client = self.server.connect()

    def jam(self) -> None:
        self.client.play(TCP)
        self.client.wire.is_reading = False
        self.server.advance(5)

    def test_a_client_that_reads_no_answers_is_read_no_more(self) -> None:
        self.client.wire.is_reading = False
        for number in range(4000):
            self.client.send(options(number))
            self.server.clock.advance(0.02)

        self.assertTrue(self.client.wire.is_paused)
        self.assertLess(self.client.wire.most_waiting, 3 * BUFFER_BYTES)

    def test_and_is_answered_in_full_when_it_reads_again(self) -> None:
        self.client.wire.is_reading = False
        self.client.send(b"".join(options(number) for number in range(2000)))
        self.server.advance(60)

        while len(self.client.responses()) < 2000:
            self.client.wire.read()
            self.client.wire.is_reading = False
            self.server.advance(10)

        self.assertEqual(statuses(self.client), [(200, str(number)) for number in range(2000)])

    def test_memory_is_bounded_and_the_newest_frame_wins(self) -> None:
        self.jam()
        self.server.advance(60)
        waited = self.client.wire.most_waiting
        before = len(self.client.packets())

        self.client.wire.read()

        self.assertLess(waited, BUFFER_BYTES + 16_384)
        newest = self.client.packets()[-1]
        played_s = ((newest.timestamp - self.client.packets()[0].timestamp) % 2**32) / 90_000
        self.assertTrue(64.9 < played_s < 65.1, played_s)
        self.assertGreater(len(self.client.packets()), before)

    def test_pause_works_while_the_viewer_does_not_read(self) -> None:
        self.jam()
        self.client.send(self.client.text("PAUSE"))
        waiting = len(self.client.wire.waiting)
        self.server.advance(5)

        self.assertEqual(len(self.client.wire.waiting), waiting)
        self.client.wire.read()
        self.assertEqual(self.client.responses()[-1].status, 200)
        self.assertTrue(self.client.packets()[-1].marker)

    def test_seeking_again_and_again_without_reading_is_bounded(self) -> None:
        self.jam()
        for number in range(5000):
            seek = NptRange(number % 10 / 10).to_text()
            self.client.send(self.client.text("PLAY", Range=seek))
            self.server.clock.advance(0.02)

        self.assertLess(self.client.wire.most_waiting, 4 * BUFFER_BYTES)

    def test_answers_stand_between_whole_frames_only(self) -> None:
        self.client.play(TCP)
        for _ in range(20):
            self.client.wire.is_reading = not self.client.wire.is_reading
            self.client.send(self.client.text("GET_PARAMETER"))
            self.server.advance(0.1)
        self.client.wire.read()

        # Taking them apart has succeeded; between packets of one frame there is nothing.
        inside = False
        for message in self.client.read():
            if isinstance(message, InterleavedFrame) and message.channel == 0:
                inside = not message.payload[1] & 0x80
            else:
                self.assertFalse(inside)

    def test_only_the_slow_viewer_suffers(self) -> None:
        other = self.server.connect()
        other.play(TCP)
        self.jam()

        self.assertGreaterEqual(len(jpegs(other.packets())), 24 * 5)

    def test_a_client_that_reads_nothing_and_has_no_session_is_closed(self) -> None:
        self.client.wire.is_reading = False
        self.client.send(b"".join(options(number) for number in range(2000)) + OPTIONS[:9])

        self.server.advance(400, step_s=1)

        self.assertTrue(self.client.wire.is_closed)

    def test_bye_is_the_last_word_in_a_jam_too(self) -> None:
        self.jam()
        self.client.send(self.client.text("TEARDOWN"))
        self.client.wire.read()

        self.assertEqual(len(byes(self.client.reports())), 1)


class ChannelTests(SynchronousTestCase):
    def test_sessions_on_one_connection_have_channels_of_their_own(self) -> None:
        client = Server().connect()
        transports = [header(client.setup(TCP), "Transport") for _ in range(3)]

        self.assertEqual(
            [re.findall(r"interleaved=(\S+)", transport)[0] for transport in transports],
            ["0-1", "2-3", "4-5"],
        )

    def test_sessions_on_one_connection_play_side_by_side(self) -> None:
        server = Server()
        client = server.connect()
        client.play(TCP)
        client.play(TCP)
        server.advance(0.5)

        self.assertEqual(len(client.packets(0)), len(client.packets(2)))
        self.assertNotEqual(client.packets(0)[0].ssrc, client.packets(2)[0].ssrc)

    def test_channels_of_a_session_that_ended_are_free_again(self) -> None:
        client = Server().connect()
        for _ in range(90):
            self.assertIn("interleaved=0-1", header(client.setup(TCP), "Transport"))
            client.ask("TEARDOWN")

    def test_channels_of_other_connections_are_free(self) -> None:
        server = Server()
        client, other = server.connect(), server.connect()
        client.setup(TCP)
        other.session = client.session
        other.ask("GET_PARAMETER")

        self.assertIn("interleaved=0-1", header(other.setup(TCP), "Transport"))

    def test_reports_on_a_channel_are_for_its_session(self) -> None:
        server = Server()
        client = server.connect()
        client.play(TCP)
        ssrc = client.packets()[0].ssrc
        report = ReceiverReport(9, (ReportBlock(ssrc, 0, 5, 0, 0, 0, 0),)).to_bytes()
        for channel in (0, 1, 3):
            client.send(InterleavedFrame(channel, report).to_bytes())

        reception = server.registry.find(client.session, Owner(VIEWER)).rtp.reception
        self.assertEqual((reception.reports, reception.lost), (1, 5))

    def test_malformed_reports_are_a_line_per_interval(self) -> None:
        server = Server()
        client = server.connect()
        client.play(TCP)

        with capturedLogs() as events:
            for _ in range(50):
                client.send(InterleavedFrame(1, b"nonsense").to_bytes())

        self.assertEqual(said(events), ["1 malformed RTCP packets"])

    def test_all_channels_taken_is_461(self) -> None:
        client = Server(Limits(sessions_per_connection=1000)).connect()
        for _ in range(128):
            self.assertEqual(client.setup("RTP/AVP/TCP;unicast").status, 200)

        self.assertEqual(client.setup("RTP/AVP/TCP;unicast").status, 461)

    def test_too_many_sessions_on_one_connection_are_453(self) -> None:
        client = Server(Limits(sessions_per_connection=2)).connect()

        self.assertEqual([client.setup(TCP).status for _ in range(3)], [200, 200, 453])
