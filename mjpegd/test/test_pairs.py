"""Tunnels over HTTP: which halves get together, in which order, and what becomes of the rest."""

from base64 import b64encode

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer
from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override
from zope.interface.verify import verifyObject

from mjpegd.capacity.admission import FAREWELL_S
from mjpegd.flow import Alarm
from mjpegd.limits import Limits
from mjpegd.logs import Tally, say_count
from mjpegd.test.conversation import TCP, URL, VIEWER, Client, Server, byes, header, said
from mjpegd.test.logins import door, password_of
from mjpegd.test.tunnelled import COOKIE, HTTPClient, get, post
from mjpegd.tunnels.pairs import Pairs, Tunnel

LIMITS = Limits()


def options(cseq: int) -> bytes:
    return f"OPTIONS {URL} RTSP/1.0\r\nCSeq: {cseq}\r\n\r\n".encode()


class TunnelTestCase(SynchronousTestCase):
    @override
    def setUp(self) -> None:
        self.serve(Server())

    def serve(self, server: Server) -> None:
        self.server = server

    def opened(self, data: bytes, host: str = VIEWER, *, is_secure: bool = False) -> Client:
        """A connection on which this was sent."""
        client = self.server.connect(host, is_secure=is_secure)
        client.send(data)
        return client

    def down(self, cookie: str = COOKIE, host: str = VIEWER, *, is_secure: bool = False) -> Client:
        """A GET whose answer has been read."""
        client = self.opened(get(cookie), host, is_secure=is_secure)
        self.assertTrue(client.raw().startswith(b"HTTP/1.0 200 OK\r\n"))
        return client

    def up(self, cookie: str = COOKIE, host: str = VIEWER, *, is_secure: bool = False) -> Client:
        """A POST."""
        return self.opened(post(cookie), host, is_secure=is_secure)

    def say(self, up: Client, data: bytes) -> None:
        up.send(b64encode(data))

    def numbers(self, down: Client) -> list[str]:
        """The numbers of the answers so far."""
        return [header(answer, "CSeq") for answer in down.responses()]


class JoiningTests(TunnelTestCase):
    def test_what_is_said_in_the_post_is_answered_in_the_get(self) -> None:
        down, up = self.down(), self.up()

        self.say(up, options(1))
        self.say(up, options(2))

        self.assertEqual(self.numbers(down), ["1", "2"])
        self.assertEqual(up.raw(), b"")

    def test_the_post_may_come_first_and_bring_requests(self) -> None:
        up = self.opened(post() + b64encode(options(1)))
        self.assertTrue(up.wire.is_paused)
        self.say(up, options(2))

        down = self.down_with_answers()

        self.assertEqual(self.numbers(down), ["1", "2"])

    def down_with_answers(self) -> Client:
        down = self.opened(get())
        head, _, rest = down.raw().partition(b"\r\n\r\n")
        self.assertTrue(head.startswith(b"HTTP/1.0 200 OK"))
        down.wire.received += rest
        return down

    def test_requests_may_come_in_one_piece_with_the_head(self) -> None:
        down = self.down()

        self.opened(post() + b64encode(options(1)) + b"\r\n" + b64encode(options(2)))

        self.assertEqual(self.numbers(down), ["1", "2"])

    @given(st.lists(st.integers(1, 400), max_size=12))
    def test_cut_anywhere_the_answers_are_the_same(self, places: list[int]) -> None:
        data = post() + b64encode(options(1)) + b64encode(options(22)) + b64encode(options(3))
        ends = sorted({*(place % len(data) for place in places), len(data)})
        down, up = self.down(), self.server.connect()

        for start, end in zip([0, *ends], ends, strict=False):
            up.send(data[start:end])

        self.assertEqual(self.numbers(down), ["1", "22", "3"])
        down.close()
        up.close()

    def test_cookies_tell_tunnels_apart(self) -> None:
        first, second = self.down("a"), self.down("b")
        self.say(self.up("b"), options(1))

        self.assertEqual(self.numbers(first), [])
        self.assertEqual(self.numbers(second), ["1"])

    def test_a_cookie_is_good_for_the_address_that_made_it(self) -> None:
        down = self.down()
        stranger = self.up(host="198.51.100.8")

        self.say(stranger, options(1))
        self.server.advance(LIMITS.half_tunnel_s, step_s=1)

        self.assertEqual(self.numbers(down), [])
        self.assertTrue(stranger.raw().startswith(b"HTTP/1.1 404 "))

    def test_a_half_that_is_encrypted_is_none_of_one_that_is_not(self) -> None:
        down = self.down()

        self.say(self.up(is_secure=True), options(1))

        self.assertEqual(self.numbers(down), [])
        other = self.down_secure_with_answers()
        self.assertEqual(self.numbers(other), ["1"])

    def down_secure_with_answers(self) -> Client:
        down = self.opened(get(), is_secure=True)
        _, _, rest = down.raw().partition(b"\r\n\r\n")
        down.wire.received += rest
        return down

    def test_a_second_get_with_a_cookie_is_refused_and_harms_nobody(self) -> None:
        down, up = self.down(), self.up()

        again = self.opened(get())

        self.assertTrue(again.raw().startswith(b"HTTP/1.1 400 "))
        self.say(up, options(1))
        self.assertEqual(self.numbers(down), ["1"])

    def test_what_comes_on_the_get_means_nothing(self) -> None:
        down, up = self.down(), self.up()

        down.send(options(1))
        self.say(up, options(2))

        self.assertEqual(self.numbers(down), ["2"])

    def test_a_tunnel_is_a_line_in_the_log(self) -> None:
        with capturedLogs() as events:
            HTTPClient(self.server)

        self.assertEqual(said(events), [f"{VIEWER} opens a tunnel over HTTP"])


class ReopeningTests(TunnelTestCase):
    def test_a_new_post_takes_the_place_of_the_old_one(self) -> None:
        down, first = self.down(), self.up()
        self.say(first, options(1))
        first.send(b64encode(options(2))[:10])

        second = self.up()
        self.say(second, options(3))
        self.say(first, options(4))

        self.assertEqual(self.numbers(down), ["1", "3"])
        self.assertTrue(first.wire.is_half_closed)
        first.close()
        self.say(second, options(5))
        self.assertEqual(self.numbers(down), ["1", "3", "5"])

    def test_a_post_that_has_ended_is_followed_by_another(self) -> None:
        down, first = self.down(), self.up()
        self.say(first, options(1))

        first.wire.sends_no_more()
        self.assertTrue(first.wire.is_closed)
        self.server.advance(LIMITS.half_tunnel_s - 1, step_s=1)
        self.say(self.up(), options(2))
        self.server.advance(60, step_s=1)

        self.assertEqual(self.numbers(down), ["1", "2"])
        self.assertFalse(down.wire.is_half_closed)

    def test_without_another_the_tunnel_ends_and_its_sessions_with_it(self) -> None:
        client = HTTPClient(self.server)
        client.play(TCP)
        client.post.close()

        self.server.advance(LIMITS.half_tunnel_s - 0.1)
        self.assertFalse(client.wire.is_half_closed)
        self.server.advance(0.2)

        self.assertTrue(client.wire.is_half_closed)
        self.assertEqual(len(byes(client.reports())), 1)
        self.assertEqual(len(self.server.registry), 0)

    def test_a_new_post_is_not_read_while_a_request_waits(self) -> None:
        down, first = self.down(), self.up()
        self.server.shelf.opening = Deferred()
        self.say(first, f"DESCRIBE {URL} RTSP/1.0\r\nCSeq: 1\r\n\r\n".encode() + options(2))
        second = self.up()
        self.say(second, options(3))

        self.assertTrue(second.wire.is_paused)
        self.server.shelf.opening.callback(None)
        self.assertEqual(self.numbers(down), ["1", "2", "3"])


class EndingTests(TunnelTestCase):
    def assert_nothing_is_left(self) -> None:
        self.server.advance(FAREWELL_S + 0.1)
        self.server.house.tally.stop()
        self.server.advance(10, step_s=1)
        self.assertEqual(self.server.factory.connections, 0)
        self.assertEqual(self.server.clock.getDelayedCalls(), [])

    def test_when_the_get_goes_all_is_over(self) -> None:
        client = HTTPClient(self.server)
        client.play(TCP)

        client.wire.close()

        self.assertEqual(len(self.server.registry), 0)
        self.assertTrue(client.post.wire.is_half_closed)
        self.say(client.post, options(1))
        self.assert_nothing_is_left()

    def test_when_the_get_is_half_closed_all_is_over(self) -> None:
        client = HTTPClient(self.server)
        client.play(TCP)

        client.wire.sends_no_more()

        self.assertTrue(client.wire.is_closed)
        self.assert_nothing_is_left()

    def test_what_makes_no_sense_ends_it(self) -> None:
        client = HTTPClient(self.server)

        client.post.send(b"?" * 8)

        self.assertTrue(client.post.raw().startswith(b"HTTP/1.1 400 "))
        self.assertTrue(client.wire.is_half_closed)
        self.assert_nothing_is_left()

    def test_a_request_that_is_cut_off_ends_both(self) -> None:
        client = HTTPClient(self.server)

        client.send(b"\x16\x03\x01")

        self.assertEqual([answer.status for answer in client.responses()], [400])
        self.assertTrue(client.wire.is_half_closed)
        self.assertTrue(client.post.wire.is_half_closed)
        self.assert_nothing_is_left()

    def test_when_the_server_stops_both_are_closed(self) -> None:
        client = HTTPClient(self.server)
        client.play(TCP)

        self.server.factory.hang_up_all()

        self.assertEqual(len(byes(client.reports())), 1)
        self.assertTrue(client.wire.is_half_closed)
        self.assertTrue(client.post.wire.is_half_closed)
        self.assert_nothing_is_left()

    def test_garbage_that_waited_for_the_get_ends_it_too(self) -> None:
        self.opened(post() + b"?" * 8)

        down = self.opened(get())

        self.assertTrue(down.wire.is_half_closed)
        self.assert_nothing_is_left()

    def test_a_cookie_may_be_used_again_afterwards(self) -> None:
        HTTPClient(self.server).wire.close()

        client = HTTPClient(self.server)

        self.assertEqual(client.ask("OPTIONS").status, 200)


class WaitingTests(TunnelTestCase):
    def test_a_get_without_a_post_is_closed(self) -> None:
        down = self.down()

        self.server.advance(LIMITS.half_tunnel_s - 0.1)
        self.assertFalse(down.wire.is_half_closed)
        self.server.advance(0.2)

        self.assertTrue(down.wire.is_half_closed)

    def test_a_post_without_a_get_is_told_so(self) -> None:
        up = self.up()
        self.server.advance(LIMITS.half_tunnel_s + 0.1)

        self.assertTrue(up.raw().startswith(b"HTTP/1.1 404 "))
        self.assertTrue(up.wire.is_half_closed)

    def test_a_post_that_goes_is_waited_for_no_more(self) -> None:
        up = self.up()
        up.close()

        self.server.advance(0.1)
        down, other = self.down(), self.up()
        self.say(other, options(1))

        self.assertEqual(self.numbers(down), ["1"])

    def test_where_too_many_halves_wait_the_oldest_goes(self) -> None:
        self.serve(Server(Limits(half_tunnels=2)))
        whole = HTTPClient(self.server, "198.51.100.9")
        first, second, third = (self.down(cookie) for cookie in ("a", "b", "c"))

        gone = [client.wire.is_half_closed for client in (first, second, third, whole)]

        self.assertEqual(gone, [True, False, False, False])

    def test_a_tunnel_does_not_make_room_for_itself(self) -> None:
        self.serve(Server(Limits(half_tunnels=1)))
        self.up()
        self.say(self.up(), options(1))

        down = self.opened(get())

        self.assertIn(b"CSeq: 1\r\n", down.raw())

    def test_a_tunnel_that_waits_again_is_not_the_oldest(self) -> None:
        self.serve(Server(Limits(half_tunnels=2)))
        client = HTTPClient(self.server)
        older = self.down("a")
        client.post.close()
        self.down("b")

        self.assertTrue(older.wire.is_half_closed)
        self.assertFalse(client.wire.is_half_closed)

    def test_too_many_tunnels_are_503(self) -> None:
        self.serve(Server(Limits(tunnels=1)))
        client = HTTPClient(self.server)

        for refused in (self.opened(get("b")), self.opened(post("c"))):
            self.assertTrue(refused.raw().startswith(b"HTTP/1.1 503 "))
        client.wire.close()
        self.assertEqual(HTTPClient(self.server).ask("OPTIONS").status, 200)

    def test_a_post_lives_as_long_as_its_tunnel_whatever_it_says(self) -> None:
        client = HTTPClient(self.server)
        client.setup(TCP)

        self.server.advance(10 * LIMITS.idle_s, step_s=1)

        self.assertFalse(client.post.wire.is_half_closed)
        self.assertEqual(client.ask("OPTIONS").status, 200)

    def test_a_post_does_not_give_way_but_with_its_get(self) -> None:
        self.serve(Server(Limits(connections=2)))
        client = HTTPClient(self.server)
        client.setup(TCP)

        refused = self.server.connect()

        self.assertEqual([answer.status for answer in refused.responses()], [503])
        self.assertFalse(client.post.wire.is_half_closed)
        client.ask("TEARDOWN")
        self.assertEqual(self.server.connect().ask("OPTIONS").status, 200)
        self.assertTrue(client.wire.is_closed)
        self.assertTrue(client.post.wire.is_half_closed)

    def test_a_half_that_waits_gives_way_in_its_own_words(self) -> None:
        self.serve(Server(Limits(connections=1)))
        up = self.up()

        self.server.connect()

        self.assertTrue(up.raw().startswith(b"HTTP/1.1 503 "))

    def test_who_has_not_logged_in_in_time_loses_both_and_who_has_keeps_both(self) -> None:
        self.serve(Server(door=door()))
        stranger, anna = HTTPClient(self.server, "198.51.100.8"), HTTPClient(self.server)
        anna.log_in("anna", password_of("anna"))
        anna.setup(TCP)

        self.server.advance(LIMITS.login_s + 1, step_s=1)

        for client, is_closed in ((stranger, True), (anna, False)):
            self.assertEqual(client.wire.is_half_closed, is_closed)
            self.assertEqual(client.post.wire.is_half_closed, is_closed)

    def test_a_tunnel_without_a_session_is_closed_when_nothing_is_said(self) -> None:
        client = HTTPClient(self.server)

        self.server.advance(LIMITS.idle_s + 1, step_s=1)

        self.assertTrue(client.wire.is_half_closed)
        self.assertTrue(client.post.wire.is_half_closed)


class PauseTests(TunnelTestCase):
    def test_while_a_request_waits_the_post_is_not_read(self) -> None:
        self.server.shelf.opening = Deferred()
        client = HTTPClient(self.server)
        client.send(client.text("DESCRIBE"))
        client.send(client.text("OPTIONS"))

        self.assertTrue(client.post.wire.is_paused)
        self.server.shelf.opening.callback(None)

        self.assertFalse(client.post.wire.is_paused)
        self.assertEqual(self.numbers(client), ["1", "2"])

    def test_what_comes_in_one_piece_with_a_request_that_waits_is_kept(self) -> None:
        self.server.shelf.opening = Deferred()
        down = self.down()
        up = self.up()
        self.say(up, f"DESCRIBE {URL} RTSP/1.0\r\nCSeq: 1\r\n\r\n".encode() + options(2))
        self.server.shelf.opening.callback(None)

        self.assertEqual(self.numbers(down), ["1", "2"])

    def test_requests_above_the_rate_are_only_slowed(self) -> None:
        client = HTTPClient(self.server)
        for number in range(600):
            client.send(options(number))

        self.assertLess(len(client.responses()), 300)
        self.server.advance(10)
        self.assertEqual(self.numbers(client), [str(number) for number in range(600)])

    def test_it_is_a_push_producer(self) -> None:
        clock = Clock()
        pairs = Pairs(clock, LIMITS, Tally(clock, say_count), lambda: None, lambda: None)
        tunnel = Tunnel((VIEWER, COOKIE, False), pairs, Alarm(clock))

        self.assertTrue(verifyObject(IPushProducer, tunnel))
        tunnel.stopProducing()
