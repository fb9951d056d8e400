from collections.abc import Coroutine
from typing import Any, TypeVar

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.error import TimeoutError as UnansweredError
from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override

from mjpegd.test.conversation import URL as REAL_URL
from mjpegd.wire.digest import parse_authorization
from mjpegd.wire.headers import Lower, Transport
from mjpegd.wire.messages import Headers, Request, Response
from mjpegd.wire.packets import RTPPacket

from ..errors import (
    ConfusedError,
    ConnectError,
    DisconnectedError,
    LoginError,
    RefusedError,
    SilenceError,
    UnplayableError,
)
from ..interfaces import Cue, Offer
from ..talk.conversation import Conversation
from ..talk.dialogue import MAX_REDIRECTS, MAX_TRIES, TEARDOWN_S, RTSPDialogue, connect
from ..talk.location import Location
from ..talk.login import Login
from .servers import HOST, SESSION, URL, Listener, PlayerReactor, RealServer, ScriptedServer, ok

AGENT = "player/1"
UDP = Transport(client_port=(5000, 5001))
TCP = Transport(lower=Lower.TCP, interleaved=(0, 1))
PUBLIC = "OPTIONS, DESCRIBE, SETUP, PLAY, PAUSE, TEARDOWN, GET_PARAMETER"
SDP = b"s=Clip\r\na=range:npt=0-10\r\nm=video 0 RTP/AVP 26\r\na=control:trackID=0\r\n"
DESCRIBED = ok(("Content-Base", f"{URL}/"), body=SDP)
BASIC = ("WWW-Authenticate", 'Basic realm="door"')
DIGEST = ("WWW-Authenticate", 'Digest realm="door", nonce="n1"')
STALE = ("WWW-Authenticate", 'Digest realm="door", nonce="n2", stale=true')

T = TypeVar("T")


def nobody() -> Login:
    return Login("", "", str)


def begin(server: ScriptedServer | RealServer, url: str, login: Login) -> RTSPDialogue:
    """A dialogue that is connected to a server in memory, wherever that sends it."""

    async def reach(place: Location) -> Conversation:
        conversation = Conversation(server.clock, server.listener.ears, AGENT, place.host)
        server.accept(conversation)
        return conversation

    location = Location.parse(url)
    conversation = Conversation(server.clock, server.listener.ears, AGENT, location.host)
    server.accept(conversation)
    return RTSPDialogue(server.clock, location, login, conversation, reach)


class DialogueTests(SynchronousTestCase):
    """What a test does with a server that answers all methods, unless it says otherwise."""

    @override
    def setUp(self) -> None:
        self.server = ScriptedServer()
        self.server.answers = {
            "OPTIONS": ok(("Public", PUBLIC)),
            "DESCRIBE": DESCRIBED,
            "SETUP": self.set_up(),
            "PLAY": ok(("Range", "npt=0.000-10.000")),
            "PAUSE": ok(("Range", "npt=3.5-")),
            "TEARDOWN": ok(),
            "GET_PARAMETER": ok(),
        }
        self.dialogue = begin(self.server, URL, nobody())

    def set_up(
        self,
        transport: str = "RTP/AVP;unicast;client_port=5000-5001;server_port=6970-6971",
        session: str = f"{SESSION};timeout=60",
    ) -> Response:
        return ok(("Session", session), ("Transport", transport))

    def run_(self, coroutine: Coroutine[Deferred[Any], Any, T]) -> T:
        return self.successResultOf(self.server.run(coroutine))

    def fails(self, coroutine: Coroutine[Deferred[Any], Any, object]) -> Exception:
        error = self.failureResultOf(self.server.run(coroutine)).value
        assert isinstance(error, Exception)
        return error

    def with_session(self, wanted: Transport = UDP) -> Transport:
        self.run_(self.dialogue.describe())
        return self.run_(self.dialogue.setup(wanted))

    def last(self, method: str) -> Request:
        return self.server.requests(method)[-1]

    def pass_time(self, seconds: float) -> None:
        self.server.clock.advance(seconds)
        self.server.serve()


class DescribeTests(DialogueTests):
    def test_a_stream_is_offered(self) -> None:
        offer = self.run_(self.dialogue.describe())

        self.assertEqual(offer, Offer("Clip", 10.0))
        self.assertEqual(self.last("DESCRIBE").uri, URL)
        self.assertEqual(self.last("DESCRIBE").headers.get("Accept"), "application/sdp")

    def test_a_server_need_not_know_options(self) -> None:
        self.server.answers["OPTIONS"] = Response(501)

        self.assertEqual(self.run_(self.dialogue.describe()).title, "Clip")

    def test_a_refusal_is_told(self) -> None:
        self.server.answers["DESCRIBE"] = Response(404)

        error = self.fails(self.dialogue.describe())

        assert isinstance(error, RefusedError)
        self.assertEqual((error.method, error.status), ("DESCRIBE", 404))

    def test_a_stream_without_jpeg_cannot_be_played(self) -> None:
        self.server.answers["DESCRIBE"] = ok(body=b"m=video 0 RTP/AVP 96\r\n")

        self.assertIsInstance(self.fails(self.dialogue.describe()), UnplayableError)

    def test_a_server_that_says_nothing_is_told(self) -> None:
        self.server.answers["OPTIONS"] = None
        offered = self.server.run(self.dialogue.describe())

        self.pass_time(10)

        self.failureResultOf(offered, SilenceError)


class RedirectTests(DialogueTests):
    def send_on(self, *places: str) -> None:
        answers = [Response(302, Headers([("Location", place)])) for place in places]
        answers.append(DESCRIBED)
        self.server.answers["DESCRIBE"] = lambda _: answers.pop(0)

    def test_another_stream_of_the_server_is_asked_on_the_same_connection(self) -> None:
        self.send_on(f"rtsp://{HOST}:8554/other")

        self.run_(self.dialogue.describe())

        self.assertEqual(self.last("DESCRIBE").uri, f"rtsp://{HOST}:8554/other")
        self.assertEqual(len(self.server.ends), 1)

    def test_another_server_is_asked_on_a_new_connection(self) -> None:
        self.send_on("rtsp://other:554/clip")

        self.run_(self.dialogue.describe())

        first, second = self.server.ends
        self.assertTrue(first.wire.is_closed)
        self.assertEqual([r.method for r in second.requests], ["OPTIONS", "DESCRIBE"])
        self.assertEqual(self.server.listener.losses, [])

    def test_a_circle_comes_to_an_end(self) -> None:
        self.send_on(*[URL] * (MAX_REDIRECTS + 1))

        self.assertIsInstance(self.fails(self.dialogue.describe()), ConfusedError)

    def test_a_place_must_be_told(self) -> None:
        for place in ("", "http://h/x"):
            self.send_on(place)
            self.assertIn("does not say where", str(self.fails(self.dialogue.describe())))

    def test_no_server_sends_from_tls_to_plain_text(self) -> None:
        self.send_on("rtsp://other/clip")
        dialogue = begin(self.server, f"rtsps://{HOST}/clip", nobody())

        self.assertIn("anybody can read", str(self.fails(dialogue.describe())))

    def test_user_and_password_are_not_for_other_servers(self) -> None:
        self.send_on("rtsp://other/clip")
        dialogue = begin(self.server, URL, Login("anna", "secret", str))
        self.run_(dialogue.describe())
        self.server.answers["OPTIONS"] = Response(401, Headers([BASIC]))

        error = self.fails(dialogue.describe())

        self.assertNotIsInstance(error, LoginError)
        self.assertIn(f"{HOST} sends the player on to other", str(error))
        self.assertNotIn("Authorization", self.server.end.requests[-1].headers)

    def test_who_has_closed_reaches_nobody_else(self) -> None:
        self.send_on("rtsp://other/clip")
        reached: Deferred[None] = Deferred()

        async def reach(place: Location) -> Conversation:
            await reached
            conversation = Conversation(self.server.clock, Listener().ears, AGENT, place.host)
            self.server.accept(conversation)
            return conversation

        first = Conversation(self.server.clock, Listener().ears, AGENT, HOST)
        self.server.accept(first)
        dialogue = RTSPDialogue(self.server.clock, Location.parse(URL), nobody(), first, reach)
        offered = self.server.run(dialogue.describe())
        dialogue.close()

        reached.callback(None)

        self.failureResultOf(offered, DisconnectedError)
        self.assertTrue(self.server.end.wire.is_closed)


class LoginTests(DialogueTests):
    @override
    def setUp(self) -> None:
        super().setUp()
        self.dialogue = begin(self.server, URL, Login("anna", "secret", str))

    def refuse(self, *challenges: tuple[str, str], times: int = 1) -> None:
        """The first requests are refused."""
        refusals = [Response(401, Headers(challenges))] * times
        self.server.answers["OPTIONS"] = lambda _: refusals.pop() if refusals else ok()

    def test_a_login_is_said_when_it_is_asked_for(self) -> None:
        self.refuse(DIGEST)

        self.run_(self.dialogue.describe())

        first, second = self.server.requests("OPTIONS")
        self.assertNotIn("Authorization", first.headers)
        self.assertIn("Authorization", second.headers)

    def test_a_login_is_said_for_every_request(self) -> None:
        self.refuse(DIGEST)

        self.run_(self.dialogue.describe())
        self.run_(self.dialogue.setup(UDP))

        for method in ("DESCRIBE", "SETUP"):
            request = self.last(method)
            answer = parse_authorization(request.headers.get("Authorization") or "")
            self.assertEqual(getattr(answer, "uri", ""), request.uri)

    def test_a_refused_login_is_told(self) -> None:
        self.refuse(DIGEST, times=2)

        error = self.fails(self.dialogue.describe())

        assert isinstance(error, LoginError)
        self.assertTrue(error.was_tried)
        self.assertEqual(len(self.server.requests()), 2)

    def test_a_stale_nonce_is_exchanged_in_silence(self) -> None:
        self.refuse(DIGEST)
        self.run_(self.dialogue.describe())
        self.refuse(STALE)

        self.run_(self.dialogue.describe())

        self.assertIn("n2", self.last("DESCRIBE").headers.get("Authorization") or "")

    def test_a_server_that_was_content_may_change_its_nonce(self) -> None:
        self.refuse(DIGEST)
        self.run_(self.dialogue.describe())
        self.refuse(("WWW-Authenticate", 'Digest realm="door", nonce="n3"'))

        self.run_(self.dialogue.describe())

        self.assertIn("n3", self.last("DESCRIBE").headers.get("Authorization") or "")

    def test_nonces_that_are_always_stale_come_to_an_end(self) -> None:
        self.refuse(STALE, times=100)

        self.assertIsInstance(self.fails(self.dialogue.describe()), LoginError)
        self.assertEqual(len(self.server.requests()), MAX_TRIES)

    def test_nobody_tries_without_a_user(self) -> None:
        self.refuse(DIGEST)

        error = self.fails(begin(self.server, URL, nobody()).describe())

        assert isinstance(error, LoginError)
        self.assertFalse(error.was_tried)
        self.assertEqual(error.realm, "door")

    def test_a_password_is_left_out_of_what_is_shown(self) -> None:
        self.refuse(BASIC)

        self.run_(self.dialogue.describe())

        text = "".join(message.text for message in self.server.listener.messages)
        self.assertIn("Basic (hidden)", text)
        self.assertNotIn("YW5uYTpzZWNyZXQ", text)


class SetupTests(DialogueTests):
    def test_a_way_is_agreed_on(self) -> None:
        agreed = self.with_session()

        self.assertEqual(agreed, Transport(client_port=(5000, 5001), server_port=(6970, 6971)))
        request = self.last("SETUP")
        self.assertEqual(request.uri, f"{URL}/trackID=0")
        self.assertEqual(request.headers.get("Transport"), "RTP/AVP;unicast;client_port=5000-5001")

    def test_what_the_server_leaves_out_is_as_it_was_asked(self) -> None:
        for told in ("RTP/AVP/TCP;unicast", ""):
            self.server.answers["SETUP"] = self.set_up(told)
            self.assertEqual(self.with_session(TCP), TCP)

    def test_the_servers_channels_count(self) -> None:
        self.server.answers["SETUP"] = self.set_up("RTP/AVP/TCP;unicast;interleaved=4-5")

        self.assertEqual(self.with_session(TCP).interleaved, (4, 5))

    def test_another_way_than_that_asked_for_is_a_refusal(self) -> None:
        self.run_(self.dialogue.describe())
        for told in ("RTP/AVP/TCP;unicast;interleaved=0-1", "RTP/AVP;multicast", "RAW"):
            self.server.answers["SETUP"] = self.set_up(told)

            error = self.fails(self.dialogue.setup(UDP))

            assert isinstance(error, RefusedError)
            self.assertEqual(error.status, 461)
            self.assertEqual(self.server.requests()[-1].method, "TEARDOWN")

    def test_a_refusal_is_told(self) -> None:
        self.run_(self.dialogue.describe())
        self.server.answers["SETUP"] = Response(461)

        error = self.fails(self.dialogue.setup(UDP))

        assert isinstance(error, RefusedError)
        self.assertEqual(error.status, 461)

    def test_packets_that_are_said_to_be_encrypted_may_come_in_the_clear(self) -> None:
        self.server.answers["DESCRIBE"] = ok(body=SDP.replace(b"RTP/AVP", b"RTP/SAVP"))

        self.assertEqual(self.with_session().client_port, (5000, 5001))

    def test_where_only_srtp_is_sent_that_is_said(self) -> None:
        self.server.answers["SETUP"] = Response(461)
        for profile in (b"RTP/SAVP", b"RTP/SAVPF"):
            self.server.answers["DESCRIBE"] = ok(body=SDP.replace(b"RTP/AVP", profile))
            self.run_(self.dialogue.describe())

            error = self.fails(self.dialogue.setup(UDP))

            self.assertIn("as SRTP only, which this player does not speak", str(error))

    def test_a_session_must_have_a_name(self) -> None:
        self.run_(self.dialogue.describe())
        for told in ("", "a b", "x" * 65):
            self.server.answers["SETUP"] = self.set_up(session=told)
            self.assertIsInstance(self.fails(self.dialogue.setup(UDP)), ConfusedError)

    def test_another_setup_ends_the_session_before(self) -> None:
        self.with_session()

        self.run_(self.dialogue.setup(UDP))

        methods = [request.method for request in self.server.requests()]
        self.assertEqual(methods[-3:], ["SETUP", "TEARDOWN", "SETUP"])
        self.assertNotIn("Session", self.last("SETUP").headers)


class PlayTests(DialogueTests):
    def play(self, start_s: float | None = None, scale: float = 1.0) -> Cue:
        return self.run_(self.dialogue.play(start_s, scale))

    @override
    def setUp(self) -> None:
        super().setUp()
        self.with_session()

    def test_play_asks_for_nothing_more_than_it_must(self) -> None:
        self.play()

        request = self.last("PLAY")
        self.assertEqual(request.uri, f"{URL}/")
        self.assertEqual(request.headers.get("Session"), SESSION)
        self.assertNotIn("Range", request.headers)
        self.assertNotIn("Scale", request.headers)

    def test_a_place_is_asked_for(self) -> None:
        self.play(2.5)

        self.assertEqual(self.last("PLAY").headers.get("Range"), "npt=2.500-")

    def test_nothing_is_before_the_beginning(self) -> None:
        self.play(-1.0)

        self.assertEqual(self.last("PLAY").headers.get("Range"), "npt=0.000-")

    def test_a_speed_is_asked_for(self) -> None:
        self.play(scale=-2.0)

        self.assertEqual(self.last("PLAY").headers.get("Scale"), "-2.0")

    def test_the_usual_speed_is_asked_for_after_another(self) -> None:
        self.play(scale=2.0)

        self.play()

        self.assertEqual(self.last("PLAY").headers.get("Scale"), "1.0")

    def test_a_server_that_only_sends_faster_is_asked_not_to(self) -> None:
        answers = [ok(("Range", "npt=3-"), ("Speed", "2.000")), ok(("Range", "npt=3.1-"))]
        self.server.answers["PLAY"] = lambda _: answers.pop(0)

        cue = self.play(scale=2.0)

        self.assertEqual(cue, Cue(3.1))
        asked = [self.last("PLAY").headers.get(name) for name in ("Range", "Scale", "Speed")]
        self.assertEqual(asked, ["npt=3.000-", "1.0", "1.0"])

    def test_all_that_is_told_is_in_the_cue(self) -> None:
        self.server.answers["PLAY"] = ok(
            ("Range", "npt=2.5-10"),
            ("Scale", "2"),
            ("RTP-Info", f"url={URL}/trackID=0;seq=7;rtptime=9"),
        )

        self.assertEqual(self.play(), Cue(2.5, 2.0, 7, 9))

    def test_what_is_not_told_is_not_in_the_cue(self) -> None:
        self.server.answers["PLAY"] = ok(("Range", "npt=now-"), ("RTP-Info", "url=x"))

        self.assertEqual(self.play(), Cue())

    def test_our_track_is_found_among_others(self) -> None:
        entries = (
            "url=rtsp://h/audio;seq=1;rtptime=2",
            "url=trackID=0;seq=3;rtptime=4",
        )
        self.server.answers["PLAY"] = ok(("RTP-Info", ",".join(entries)))

        self.assertEqual(self.play().sequence, 3)

    def test_the_only_track_is_ours_whatever_it_is_called(self) -> None:
        self.server.answers["PLAY"] = ok(("RTP-Info", "url=rtsp://inside/x;seq=5;rtptime=6"))

        self.assertEqual(self.play().sequence, 5)

    def test_of_other_tracks_nothing_is_known(self) -> None:
        entries = ("url=rtsp://h/a;seq=1;rtptime=2", "url=rtsp://h/b;seq=3;rtptime=4")
        self.server.answers["PLAY"] = ok(("RTP-Info", ",".join(entries)))

        self.assertIsNone(self.play().sequence)

    def test_pause_tells_where(self) -> None:
        self.assertEqual(self.run_(self.dialogue.pause()), 3.5)

    def test_pause_need_not_tell_where(self) -> None:
        self.server.answers["PAUSE"] = ok()

        self.assertIsNone(self.run_(self.dialogue.pause()))

    def test_a_refusal_is_told(self) -> None:
        self.server.answers["PLAY"] = Response(457)

        self.assertIsInstance(self.fails(self.dialogue.play(99.0, 1.0)), RefusedError)


class SessionTests(DialogueTests):
    def test_teardown_ends_the_session(self) -> None:
        self.with_session()

        self.run_(self.dialogue.teardown())

        self.assertEqual(self.last("TEARDOWN").headers.get("Session"), SESSION)
        self.assertEqual(self.server.clock.getDelayedCalls(), [])

    def test_without_a_session_there_is_nothing_to_end(self) -> None:
        self.run_(self.dialogue.teardown())

        self.assertEqual(self.server.requests(), [])

    def test_teardown_does_not_wait_for_long(self) -> None:
        self.with_session()
        self.server.answers["TEARDOWN"] = None
        over = self.server.run(self.dialogue.teardown())

        self.pass_time(TEARDOWN_S)

        self.successResultOf(over)

    def test_teardown_of_a_lost_connection_does_not_fail(self) -> None:
        self.with_session()
        self.server.end.wire.close()

        self.run_(self.dialogue.teardown())

    def test_a_session_is_kept_alive_twice_in_its_time(self) -> None:
        self.server.answers["SETUP"] = self.set_up(session=f"{SESSION};timeout=20")
        self.with_session()

        self.pass_time(9.9)
        self.assertEqual(self.server.requests("GET_PARAMETER"), [])
        self.pass_time(0.2)

        self.assertEqual(self.last("GET_PARAMETER").headers.get("Session"), SESSION)
        self.pass_time(10)
        self.assertEqual(len(self.server.requests("GET_PARAMETER")), 2)

    def test_no_time_is_too_long_or_too_short(self) -> None:
        for timeout_s, interval_s in ((0, 30), (1, 1), (9_999_999_999, 30)):
            self.server.answers["SETUP"] = self.set_up(session=f"{SESSION};timeout={timeout_s}")
            self.with_session()
            before = len(self.server.requests("GET_PARAMETER"))

            self.pass_time(interval_s - 0.1)
            self.assertEqual(len(self.server.requests("GET_PARAMETER")), before)
            self.pass_time(0.1)
            self.assertEqual(len(self.server.requests("GET_PARAMETER")), before + 1)

    def test_options_keep_alive_what_knows_nothing_better(self) -> None:
        self.server.answers["OPTIONS"] = ok(("Public", "OPTIONS, DESCRIBE"))
        self.with_session()

        self.pass_time(30)

        self.assertEqual(self.last("OPTIONS").headers.get("Session"), SESSION)

    def test_options_keep_alive_what_refuses_the_better(self) -> None:
        self.server.answers["GET_PARAMETER"] = Response(451)
        self.with_session()

        self.pass_time(30)
        self.pass_time(30)

        self.assertEqual(len(self.server.requests("GET_PARAMETER")), 1)
        self.assertEqual(self.last("OPTIONS").headers.get("Session"), SESSION)

    def test_a_sign_of_life_may_find_no_answer(self) -> None:
        self.server.answers["GET_PARAMETER"] = None
        self.with_session()

        self.pass_time(30)
        self.pass_time(10)
        self.pass_time(20)

        self.assertEqual(len(self.server.requests("GET_PARAMETER")), 2)
        self.assertEqual(self.server.listener.losses, [])

    def test_a_session_that_the_server_ended_is_a_lost_connection(self) -> None:
        self.server.answers["GET_PARAMETER"] = Response(454)
        self.with_session()

        self.pass_time(30)

        [loss] = self.server.listener.losses
        self.assertIsInstance(loss, DisconnectedError)
        self.assertIn("has ended the session", str(loss))

    def test_the_end_of_a_session_before_does_not_matter(self) -> None:
        self.server.answers["GET_PARAMETER"] = None
        self.with_session()
        self.pass_time(30)
        self.server.answers["SETUP"] = self.set_up(session="NEW")
        self.run_(self.dialogue.setup(UDP))

        self.server.end.answer(self.last("GET_PARAMETER"), Response(454))

        self.assertEqual(self.server.listener.losses, [])

    def test_nothing_goes_on_behind_close(self) -> None:
        self.with_session()

        self.dialogue.close()

        self.assertTrue(self.server.end.wire.is_closed)
        self.assertEqual(self.server.clock.getDelayedCalls(), [])
        self.assertEqual(self.server.listener.losses, [])

    def test_reports_go_to_the_server(self) -> None:
        self.dialogue.send_interleaved(1, b"report")
        self.server.serve()

        self.assertEqual(self.server.end.frames[0].payload, b"report")

    def test_the_address_of_the_server_is_known(self) -> None:
        self.assertEqual(self.dialogue.server_host, HOST)


class AnyAnswerTests(SynchronousTestCase):
    values = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30)
    names = st.sampled_from(
        ["Session", "Transport", "Range", "Scale", "RTP-Info", "Public", "Content-Base",
         "Location", "WWW-Authenticate"]
    )  # fmt: skip
    responses = st.builds(
        Response,
        st.sampled_from([200, 200, 200, 302, 401, 404, 461]),
        st.builds(Headers, st.lists(st.tuples(names, values), max_size=4)),
        st.sampled_from([SDP, b"", b"x"]),
    )

    @given(st.lists(responses, min_size=12, max_size=12))
    def test_whatever_a_server_answers_is_an_answer_or_a_sentence(
        self, responses: list[Response]
    ) -> None:
        server = ScriptedServer()
        for method in ("OPTIONS", "DESCRIBE", "SETUP", "PLAY", "PAUSE", "TEARDOWN"):
            server.answers[method] = lambda _: responses.pop() if responses else Response(500)
        dialogue = begin(server, URL, Login("anna", "secret", str))
        known = (ConfusedError, RefusedError, UnplayableError)

        for coroutine in (
            dialogue.describe(),
            dialogue.setup(UDP),
            dialogue.play(1.0, 2.0),
            dialogue.pause(),
        ):
            result = server.run(coroutine).addErrback(lambda failure: failure.trap(*known))
            self.successResultOf(result)
        self.successResultOf(server.run(dialogue.teardown()))
        dialogue.close()


class RealServerTests(SynchronousTestCase):
    def test_mjpegd_plays_a_film(self) -> None:
        server = RealServer()
        dialogue = begin(server, REAL_URL, nobody())
        offer = self.successResultOf(server.run(dialogue.describe()))
        self.successResultOf(server.run(dialogue.setup(TCP)))

        cue = self.successResultOf(server.run(dialogue.play(0.5, 1.0)))
        server.server.advance(0.2)
        server.serve()

        first = RTPPacket.parse(
            next(payload for channel, payload in server.listener.packets if channel == 0)
        )
        self.assertEqual(offer.duration_s, 1.0)
        self.assertEqual(cue.start_s, 0.5)
        self.assertEqual((first.sequence, first.timestamp), (cue.sequence, cue.timestamp))
        self.successResultOf(server.run(dialogue.teardown()))
        dialogue.close()


class ConnectTests(SynchronousTestCase):
    @override
    def setUp(self) -> None:
        self.reactor = PlayerReactor()
        self.result = Deferred.fromCoroutine(
            connect(
                self.reactor,
                Location.parse("rtsp://camera:8554/clip"),
                Listener().ears,
                login=nobody(),
                agent=AGENT,
            )
        )

    def test_a_dialogue_begins_when_the_connection_is_there(self) -> None:
        server = ScriptedServer()
        self.assertNoResult(self.result)

        self.reactor.connected(server.accept)

        self.assertEqual(self.successResultOf(self.result).server_host, HOST)

    def test_no_connection_is_told(self) -> None:
        self.reactor.failed(UnansweredError())

        self.failureResultOf(self.result, ConnectError)
