"""HTTP on the RTSP port: tunnels are conversations like any other, all else is told so."""

import sys
from collections.abc import Callable
from unittest.mock import patch

from twisted.internet.defer import Deferred
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from mjpegd.capacity.admission import FAREWELL_S
from mjpegd.limits import Limits
from mjpegd.test.conversation import (
    TCP,
    UDP,
    VIEWER,
    Client,
    Server,
    byes,
    challenges,
    header,
    jpegs,
    said,
)
from mjpegd.test.logins import EVERYTHING, door, password_of
from mjpegd.test.pictures import number_of
from mjpegd.test.tunnelled import HTTPClient, WebSocketClient, get, head, post, upgrade
from mjpegd.tunnels.entrance import ANY_ORIGIN
from mjpegd.wire.digest import Scheme

TUNNELS: list[Callable[..., Client]] = [HTTPClient, WebSocketClient]
PAGE = "https://example.org"


class ConversationTests(SynchronousTestCase):
    """What holds for both kinds of tunnels."""

    def test_a_film_is_watched_to_its_end(self) -> None:
        for kind in TUNNELS:
            server = Server()
            client = kind(server)
            self.assertEqual(client.play(TCP).status, 200)
            server.advance(2)

            numbers = [number_of(jpeg) for jpeg in jpegs(client.packets())]
            self.assertEqual(numbers, list(range(24)))
            self.assertEqual(len(byes(client.reports())), 1)
            self.assertEqual(client.ask("TEARDOWN").status, 200)

    def test_media_does_not_leave_the_tunnel(self) -> None:
        for kind in TUNNELS:
            server = Server()
            client = kind(server)

            self.assertEqual(client.setup(UDP).status, 461)
            answer = client.setup(f"{UDP},{TCP}")

            self.assertIn("interleaved=0-1", header(answer, "Transport"))
            self.assertEqual(server.ports.asked, [])

    def test_the_login_is_that_of_rtsp(self) -> None:
        for kind in TUNNELS:
            client = kind(Server(door=door({"anna": EVERYTHING})))
            self.assertEqual(client.ask("DESCRIBE").status, 401)

            client.log_in("anna", password_of("anna"))

            self.assertEqual(client.play(TCP).status, 200)

    def test_basic_is_offered_where_the_tunnel_is_encrypted(self) -> None:
        for kind in TUNNELS:
            for is_secure in (False, True):
                server = Server(door=door({"anna": EVERYTHING}))
                client = kind(server, is_secure=is_secure)

                schemes = {challenge.scheme for challenge in challenges(client.ask("DESCRIBE"))}

                self.assertEqual(Scheme.BASIC in schemes, is_secure)

    def test_an_interleaved_session_lives_by_what_comes_through_the_tunnel(self) -> None:
        for kind in TUNNELS:
            server = Server(Limits(interleaved_idle_s=60.0))
            client = kind(server)
            client.play(TCP)
            for _ in range(5):
                server.advance(40, step_s=1)
                client.send(b"\r\n")

            self.assertEqual(len(server.registry), 1)

    def test_its_limits_are_those_of_rtsp(self) -> None:
        for kind in TUNNELS:
            client = kind(Server())

            client.send(b"OPTIONS * RTSP/1.0\r\n" + b"X: y\r\n" * 64)

            self.assertEqual([answer.status for answer in client.responses()], [413])
            self.assertTrue(client.wire.is_half_closed)

    def test_a_session_of_the_same_address_can_be_named_inside(self) -> None:
        for kind in TUNNELS:
            server = Server()
            outside, client = server.connect(), kind(server)
            outside.play(UDP)
            client.session = outside.session

            self.assertEqual(client.ask("PAUSE").status, 200)

    def test_a_request_that_is_answered_later_is_answered_inside(self) -> None:
        for kind in TUNNELS:
            server = Server()
            client = kind(server)
            server.shelf.opening = Deferred()
            client.send(client.text("DESCRIBE"))
            server.shelf.opening.callback(None)

            self.assertEqual([answer.status for answer in client.responses()], [200])


class RefusalTests(SynchronousTestCase):
    def refusal(self, data: bytes, server: Server | None = None, after_s: float = 0.0) -> bytes:
        """What is said to a request, and nothing else happens but that the connection closes."""
        server = server or Server()
        client = server.connect()
        client.send(data)
        server.advance(after_s, step_s=0.5)
        answer = client.raw()
        self.assertTrue(client.wire.is_half_closed)
        server.advance(FAREWELL_S)
        self.assertTrue(client.wire.is_closed)
        return answer

    def test_a_browser_is_told_what_this_is(self) -> None:
        answer = self.refusal(head("GET /movie.Mjpeg HTTP/1.1", "Host: 192.0.2.1:8554"))

        self.assertTrue(answer.startswith(b"HTTP/1.1 400 Bad Request\r\n"))
        self.assertTrue(answer.endswith(b"open rtsp:// with a player, not http://.\r\n"))

    def test_other_methods_are_405(self) -> None:
        for method in ("HEAD", "PUT", "OPTIONS"):
            answer = self.refusal(head(f"{method} / HTTP/1.1", "x-sessioncookie: a"))
            self.assertTrue(answer.startswith(b"HTTP/1.1 405 Method Not Allowed\r\n"))

    def test_a_head_that_cannot_be_read_is_400(self) -> None:
        self.assertTrue(
            self.refusal(head("GET / HTTP/1.1", "no colon")).startswith(b"HTTP/1.1 400 ")
        )

    def test_a_head_that_is_never_completed_is_408(self) -> None:
        answer = self.refusal(get()[:-2], after_s=Limits().request_s + 1)

        self.assertTrue(answer.startswith(b"HTTP/1.1 408 "))

    def test_a_head_beyond_the_limits_is_413(self) -> None:
        for data in (
            b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 64,
            b"GET / HTTP/1.1\r\nX: " + b"y" * 8192,
        ):
            self.assertTrue(self.refusal(data).startswith(b"HTTP/1.1 413 "))

    def test_line_ends_alone_are_line_ends_here_too(self) -> None:
        client = Server().connect()

        client.send(get().replace(b"\r\n", b"\n"))

        self.assertTrue(client.raw().startswith(b"HTTP/1.0 200 OK\r\n"))

    def test_without_tunnels_all_kinds_are_503(self) -> None:
        for data in (get(), post(), upgrade()):
            answer = self.refusal(data, Server(Limits(tunnels=0)))
            self.assertTrue(answer.startswith(b"HTTP/1.1 503 "))

    def test_a_websocket_that_has_gone_leaves_room(self) -> None:
        server = Server(Limits(tunnels=1))
        first = WebSocketClient(server)
        self.assertTrue(self.refusal(upgrade(), server).startswith(b"HTTP/1.1 503 "))

        first.close()

        self.assertEqual(WebSocketClient(server).ask("OPTIONS").status, 200)

    def test_a_refusal_is_a_line_in_the_log(self) -> None:
        with capturedLogs() as events:
            self.refusal(head("GET / HTTP/1.1"))

        [line] = said(events)
        self.assertTrue(line.startswith(f"{VIEWER} speaks HTTP to the RTSP port: 400, This is an"))

    def test_where_websocket_is_not_installed_it_is_501_and_the_log_says_what_is_missing(
        self,
    ) -> None:
        name = "mjpegd.tunnels.websocket"
        with patch.dict(sys.modules, {"wsproto.connection": None}), capturedLogs() as events:
            sys.modules.pop(name, None)
            answer = self.refusal(upgrade())

        self.assertTrue(answer.startswith(b"HTTP/1.1 501 "))
        self.assertIn("pip install 'mjpegd[websocket]'", said(events)[0])


class OriginTests(SynchronousTestCase):
    def status(self, origin: str, *allowed: str) -> bytes:
        client = Server(origins=allowed).connect()
        client.send(upgrade(f"Origin: {origin}"))
        return client.raw()[9:12]

    def test_web_pages_may_not_watch(self) -> None:
        # One that has the server's own name may have been given it by whoever owns that name.
        for origin in (PAGE, "null", "http://192.0.2.1:8554"):
            self.assertEqual(self.status(origin), b"403", origin)

    def test_but_for_those_that_are_named(self) -> None:
        self.assertEqual(self.status(PAGE, "https://a.example", PAGE), b"101")
        self.assertEqual(self.status(f"{PAGE}.net", PAGE), b"403")
        self.assertEqual(self.status(PAGE, ANY_ORIGIN), b"101")

    def test_the_log_says_which_and_what_would_let_it_in(self) -> None:
        with capturedLogs() as events:
            self.status("https://e\u00e4vil.example")

        line = said(events)[0]
        self.assertIn(f"{VIEWER}: the web page https://e", line)
        self.assertIn("--websocket-origin", line)
