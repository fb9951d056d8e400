from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionRefusedError as RefusedByHostError
from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override

from mjpegd.wire.messages import Response

from ..talk.location import Location
from ..talk.streams import MAX_STREAMS, PATIENCE_S, offered_streams
from .servers import URL, PlayerReactor, ScriptedServer, ok

AGENT = "player/1"


class OfferedStreamsTests(SynchronousTestCase):
    @override
    def setUp(self) -> None:
        self.reactor = PlayerReactor()
        self.server = ScriptedServer()
        location = Location.parse(URL)
        self.offered = Deferred.fromCoroutine(offered_streams(self.reactor, location, AGENT))

    def answer(self, response: Response | None) -> None:
        self.server.answers["GET_PARAMETER"] = response
        self.reactor.connected(self.server.accept)
        self.server.serve()

    def test_the_streams_of_the_server_are_listed(self) -> None:
        self.answer(ok(body=b"streams: rtsp://h/a\r\nstreams: rtsp://h/b%20c\r\n"))

        self.assertEqual(self.successResultOf(self.offered), ["rtsp://h/a", "rtsp://h/b%20c"])

    def test_the_root_is_asked(self) -> None:
        self.answer(ok())

        [request] = self.server.requests()
        self.assertEqual(request.uri, "rtsp://192.0.2.1:8554/")
        self.assertEqual(request.body, b"streams\r\n")
        self.successResultOf(self.offered)

    def test_the_connection_is_closed(self) -> None:
        self.answer(ok())

        self.successResultOf(self.offered)
        self.assertTrue(self.server.end.wire.is_closed)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_lines_of_other_things_are_passed_over(self) -> None:
        self.answer(ok(body=b"volume: 3\nstreams: http://h/a\nstreams: rtsp://h/\x1b[2J\nstreams:"))

        self.assertEqual(self.successResultOf(self.offered), [])

    def test_no_list_is_endless(self) -> None:
        self.answer(ok(body=b"streams: rtsp://h/a\n" * 1000))

        self.assertEqual(len(self.successResultOf(self.offered)), MAX_STREAMS)

    def test_a_server_need_not_know_how(self) -> None:
        for status in (404, 451, 501):
            self.setUp()
            self.answer(Response(status))
            self.assertEqual(self.successResultOf(self.offered), [])

    def test_a_server_that_says_nothing_offers_nothing(self) -> None:
        self.answer(None)

        self.reactor.advance(PATIENCE_S)

        self.assertEqual(self.successResultOf(self.offered), [])
        self.assertTrue(self.server.end.wire.is_closed)

    def test_a_host_that_says_nothing_offers_nothing(self) -> None:
        self.reactor.advance(PATIENCE_S)

        self.assertEqual(self.successResultOf(self.offered), [])

    def test_a_host_where_nobody_listens_offers_nothing(self) -> None:
        self.reactor.failed(RefusedByHostError())

        self.assertEqual(self.successResultOf(self.offered), [])

    def test_a_server_that_talks_nonsense_offers_nothing(self) -> None:
        self.answer(None)

        self.server.end.say(b"\x16\x03\x01")

        self.assertEqual(self.successResultOf(self.offered), [])
