"""One viewer: the state table, what keeps it alive, what it hears, and what the log says of it."""

from collections.abc import Callable
from itertools import pairwise

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from twisted.logger import LogLevel, capturedLogs
from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override

from mjpegd.limits import Limits
from mjpegd.session import TRANSITIONS, Method, State, allowed
from mjpegd.test.conversation import (
    TCP,
    UDP,
    VIEWER,
    Client,
    LargeFilm,
    Server,
    byes,
    flat,
    header,
    said,
)
from mjpegd.test.fakes import FakeFilm, small_picture
from mjpegd.wire.packets import sequence_delta, timestamp_delta
from mjpegd.wire.reports import ReceiverReport, SenderReport, SourceDescription

# An empty receiver report on channel 1.
REPORT = b"$\x01\x00\x08\x80\xc9\x00\x01\x00\x00\x00\x00"

# What a session in a state answers to each method, and where it is afterwards. INIT: there is
# no session yet; the one that ended is unknown.
ANSWERS = {
    (State.INIT, Method.SETUP): (200, State.READY),
    (State.INIT, Method.PLAY): (455, State.INIT),
    (State.INIT, Method.PAUSE): (455, State.INIT),
    (State.INIT, Method.TEARDOWN): (455, State.INIT),
    (State.READY, Method.SETUP): (200, State.READY),
    (State.READY, Method.PLAY): (200, State.PLAYING),
    (State.READY, Method.PAUSE): (200, State.READY),
    (State.READY, Method.TEARDOWN): (200, State.INIT),
    (State.PLAYING, Method.SETUP): (455, State.PLAYING),
    (State.PLAYING, Method.PLAY): (200, State.PLAYING),
    (State.PLAYING, Method.PAUSE): (200, State.READY),
    (State.PLAYING, Method.TEARDOWN): (200, State.INIT),
}
# What brings a new session into each state.
WAYS = {
    State.INIT: [],
    State.READY: [Method.SETUP],
    State.PLAYING: [Method.SETUP, Method.PLAY],
}


def ask(client: Client, method: Method) -> int:
    return client.ask(method.value, Transport=TCP if method is Method.SETUP else None).status


class StateTests(SynchronousTestCase):
    def in_state(self, state: State) -> tuple[Server, Client]:
        server = Server(loop=True)
        client = server.connect()
        for method in WAYS[state]:
            answer = client.ask(method.value, Transport=TCP if method is Method.SETUP else None)
            client.session = header(answer, "Session").partition(";")[0]
        return server, client

    def test_every_method_in_every_state(self) -> None:
        self.assertEqual(set(ANSWERS), {(state, method) for state in State for method in Method})
        for (state, method), (status, following) in ANSWERS.items():
            server, client = self.in_state(state)

            self.assertEqual(ask(client, method), status, f"{method} in {state}")

            before = len(client.packets())
            server.advance(0.5)
            is_playing = len(client.packets()) > before
            self.assertEqual(is_playing, following is State.PLAYING, f"{method} in {state}")
            sessions = 0 if following is State.INIT else 1
            self.assertEqual(len(server.registry), sessions, f"{method} in {state}")

    def test_the_table_says_what_is_allowed(self) -> None:
        for state in State:
            for method in Method:
                is_allowed = method.value in allowed(state).split(", ")
                self.assertEqual(is_allowed, (state, method) in TRANSITIONS)

    def test_the_classic_scenario(self) -> None:
        server, client = self.in_state(State.INIT)
        client.setup(TCP)
        for method in ("PLAY", "PAUSE", "PLAY", "TEARDOWN"):
            self.assertEqual(client.ask(method).status, 200)
            server.advance(0.5)

        self.assertEqual(len(server.registry), 0)
        self.assertEqual(client.ask("PLAY").status, 454)


class LifetimeTests(SynchronousTestCase):
    @override
    def setUp(self) -> None:
        self.server = Server(loop=True)
        self.client = self.server.connect()

    def lives(self) -> bool:
        return len(self.server.registry) > 0

    def test_a_silent_udp_session_ends_after_the_timeout_with_grace(self) -> None:
        self.client.play(UDP)
        self.server.advance(71, step_s=0.5)
        self.assertTrue(self.lives())
        self.server.advance(3, step_s=0.5)

        self.assertFalse(self.lives())
        self.assertEqual(len(byes(self.server.sender.reports)), 1)
        self.assertEqual(self.client.ask("PLAY").status, 454)

    def test_a_udp_session_outlives_its_connection_by_ten_seconds_at_most(self) -> None:
        self.client.play(UDP)
        self.server.advance(0.5)
        self.client.close()
        self.server.advance(9)
        self.assertTrue(self.lives())
        self.server.advance(1)

        self.assertFalse(self.lives())
        self.assertEqual(len(byes(self.server.sender.reports)), 1)

    def test_another_connection_that_names_it_keeps_it(self) -> None:
        self.client.play(UDP)
        self.client.close()
        self.server.advance(5)
        other = self.server.connect()
        other.session = self.client.session
        self.assertEqual(other.ask("GET_PARAMETER").status, 200)
        self.server.advance(60)
        self.assertTrue(self.lives())

        other.close()
        self.server.advance(11.1)
        self.assertFalse(self.lives())

    def test_reports_do_not_keep_the_viewer_of_a_lost_connection(self) -> None:
        self.client.play(UDP)
        self.client.close()
        for _ in range(2):
            self.server.advance(6)
            self.server.registry.received([ReceiverReport(1, ())], VIEWER, 5001)

        self.assertFalse(self.lives())

    def test_an_interleaved_session_ends_with_its_connection(self) -> None:
        self.client.play(TCP)
        self.client.close()

        self.assertFalse(self.lives())

    def test_an_interleaved_session_outlives_other_connections(self) -> None:
        self.client.play(TCP)
        other = self.server.connect()
        other.session = self.client.session
        other.ask("GET_PARAMETER")
        other.close()
        self.server.advance(20)

        self.assertTrue(self.lives())

    def test_a_paused_interleaved_session_lives_for_an_hour(self) -> None:
        self.client.play(TCP)
        self.client.ask("PAUSE")
        self.server.advance(3590, step_s=1)
        self.assertTrue(self.lives())
        self.server.advance(20, step_s=1)

        self.assertFalse(self.lives())

    def test_the_limit_for_paused_ones_is_an_option(self) -> None:
        server = Server(Limits(interleaved_idle_s=100))
        server.connect().setup(TCP)
        server.advance(102, step_s=1)

        self.assertEqual(len(server.registry), 0)

    def test_who_reports_and_reads_nothing_is_given_up_after_the_same_time(self) -> None:
        server = Server(Limits(interleaved_idle_s=100), loop=True, film=LargeFilm())
        client = server.connect()
        client.play(TCP)
        client.wire.is_reading = False
        for _ in range(99):
            server.advance(1, step_s=0.1)
            client.send(REPORT)
        self.assertEqual(len(server.registry), 1)

        with capturedLogs() as events:
            server.advance(5, step_s=0.1)

        self.assertIn("ended: nothing was read for too long", "".join(said(events)))
        self.assertTrue(client.wire.is_closed)

    def test_who_reads_now_and_then_is_not_given_up(self) -> None:
        server = Server(Limits(interleaved_idle_s=100), loop=True, film=LargeFilm())
        client = server.connect()
        client.play(TCP)
        for _ in range(5):
            client.wire.is_reading = False
            server.advance(60, step_s=0.1)
            client.send(REPORT)
            client.wire.read()

        self.assertEqual(len(server.registry), 1)

    def test_whose_machine_acknowledges_nothing_is_given_up_after_the_timeout(self) -> None:
        client, far = self.server.connect_from_afar()
        client.play(TCP)
        far.unacked, far.silent_ms = 1, 71_000
        self.server.advance(73, step_s=1)
        self.assertTrue(self.lives())

        far.silent_ms = 73_000
        with capturedLogs() as events:
            self.server.advance(1, step_s=1)

        self.assertIn("ended: its machine does not answer", "".join(said(events)))
        self.assertFalse(self.lives())
        self.assertTrue(client.wire.is_closed)

    def test_whose_machine_acknowledges_all_lives_on_in_silence(self) -> None:
        client, far = self.server.connect_from_afar()
        self.addCleanup(far.close)
        client.play(TCP)
        far.silent_ms = 1_000_000
        self.server.advance(100, step_s=1)

        self.assertTrue(self.lives())

    def test_any_byte_keeps_an_interleaved_session(self) -> None:
        self.client.setup(TCP)
        for _ in range(4):
            self.server.advance(3000, step_s=5)
            self.client.send(b"\r\n")

        self.assertTrue(self.lives())

    def test_one_session_from_several_connections_of_one_host(self) -> None:
        self.client.setup(UDP)
        other = self.server.connect(port=41_000)
        other.session = self.client.session

        self.assertEqual(other.ask("PLAY").status, 200)
        self.assertEqual(self.client.ask("PAUSE").status, 200)
        self.assertEqual(other.ask("TEARDOWN").status, 200)
        self.assertEqual(self.client.ask("PAUSE").status, 454)

    def test_another_hosts_session_is_answered_like_an_unknown_one(self) -> None:
        self.client.setup(UDP)
        for method in ("PLAY", "TEARDOWN", "OPTIONS", "GET_PARAMETER", "SETUP", "NONSENSE"):
            known, unknown = (self.server.connect("203.0.113.9") for _ in range(2))
            known.session, unknown.session = self.client.session, "1" * 20

            answers = [one.ask(method, Transport=UDP) for one in (known, unknown)]

            self.assertEqual(answers[0], answers[1])
            self.assertEqual(answers[0].status, 454)

    def test_a_session_that_timed_out_leaves_its_connection_free(self) -> None:
        for _ in range(100):
            self.assertEqual(self.client.setup(UDP).status, 200)
            self.server.advance(75, step_s=2.5)

        self.assertEqual(self.client.play(TCP).status, 200)

    def test_an_idle_daemon_has_no_timers(self) -> None:
        self.client.play(TCP)
        self.client.close()
        self.server.connect().close()
        self.server.advance(30)

        self.assertEqual(self.server.clock.getDelayedCalls(), [])


class SeekTests(SynchronousTestCase):
    def test_what_waits_from_before_a_seek_is_dropped(self) -> None:
        """A packet from before would come after the answer that promises the first one."""
        server = Server()
        client = server.connect()
        client.play(UDP)
        before = server.sender.discards

        client.ask("PLAY", Range="npt=0.5-")

        self.assertEqual(server.sender.discards, before + 1)

    def test_a_play_that_changes_nothing_drops_nothing(self) -> None:
        server = Server()
        client = server.connect()
        client.play(UDP)
        before = server.sender.discards

        client.ask("PLAY")

        self.assertEqual(server.sender.discards, before)


class ReportTests(SynchronousTestCase):
    @override
    def setUp(self) -> None:
        self.server = Server(loop=True)
        self.client = self.server.connect()

    def test_reports_come_with_play_and_every_five_seconds(self) -> None:
        self.client.play(UDP)
        sender = self.server.sender
        self.assertEqual(len(sender.reports), 1)
        self.server.advance(26)

        self.assertEqual(len(sender.reports), 6)
        for report, description in sender.reports:
            assert isinstance(report, SenderReport)
            self.assertEqual(description, SourceDescription(report.ssrc, "mjpegd@test"))

    def test_reports_lie_on_the_line_of_the_media(self) -> None:
        self.client.play(UDP)
        self.server.advance(26)

        first = self.server.sender.trains[0][0]
        for number, (report, _) in enumerate(self.server.sender.reports):
            assert isinstance(report, SenderReport)
            elapsed_s = (report.ntp - self.ntp_of_first()) / 2**32
            ticks = timestamp_delta(report.rtp_timestamp, first.timestamp)
            self.assertTrue(abs(ticks - 90_000 * elapsed_s) <= 2, number)

    def ntp_of_first(self) -> int:
        first = self.server.sender.reports[0][0]
        assert isinstance(first, SenderReport)
        return first.ntp

    def test_reports_count_what_was_sent(self) -> None:
        self.client.play(UDP)
        self.server.advance(6)

        report = self.server.sender.reports[1][0]
        assert isinstance(report, SenderReport)
        self.assertTrue(5 * 24 - 1 <= report.packets <= 6 * 24 + 1)
        self.assertGreater(report.octets, 100 * report.packets)

    def test_nothing_is_reported_while_it_is_paused(self) -> None:
        self.client.play(UDP)
        self.client.ask("PAUSE")
        self.server.advance(60)

        self.assertEqual(len(self.server.sender.reports), 1)

    def test_bye_is_said_however_it_ends(self) -> None:
        def stop_server(_: Client) -> None:
            self.server.registry.end_all("the server stops")

        def pause(client: Client) -> None:
            client.ask("PAUSE")

        def tear_down(client: Client) -> None:
            client.ask("TEARDOWN")

        def wait(_: Client) -> None:
            self.server.advance(80, step_s=1)

        endings: dict[str, list[Callable[[Client], None]]] = {
            "TEARDOWN": [tear_down],
            "timeout": [wait],
            "connection lost": [Client.close, wait],
            "shutdown": [stop_server],
            "paused, then TEARDOWN": [pause, tear_down],
            "paused, then timeout": [pause, wait],
            "paused, then shutdown": [pause, stop_server],
        }
        for name, steps in endings.items():
            client = self.server.connect()
            client.play(UDP)
            self.server.advance(0.5)
            for step in steps:
                step(client)

            sender = self.server.sender
            self.assertEqual(len(byes(sender.reports)), 1, name)
            self.assertIn(byes(sender.reports)[0], sender.reports[-1], name)
            self.assertTrue(sender.is_closed)

    def test_who_never_heard_anything_hears_no_bye(self) -> None:
        self.client.setup(UDP)
        self.client.ask("TEARDOWN")

        self.assertEqual(self.server.sender.reports, [])

    def test_bye_is_said_once_at_the_end_of_a_film(self) -> None:
        server = Server()
        client = server.connect()
        client.play(UDP)
        server.advance(3)
        client.ask("TEARDOWN")

        self.assertEqual(len(byes(server.sender.reports)), 1)

    def test_a_film_that_is_replaced_ends_for_its_viewers(self) -> None:
        film = FakeFilm()
        server = Server(film=film, loop=True)
        client = server.connect()
        client.play(TCP)
        server.advance(2)
        with capturedLogs() as events:
            film.change()
            server.advance(2)

        self.assertEqual(len(byes(client.reports())), 1)
        self.assertEqual(client.ask("PLAY").status, 404)
        self.assertTrue(any(client.session in line for line in said(events)))

    def test_live_viewers_get_what_comes(self) -> None:
        live = "rtsp://192.0.2.1/live"
        self.client.setup(TCP, uri=live)
        self.client.ask("PLAY", live)
        for number in range(10):
            self.server.live.push(small_picture(number), self.server.clock.seconds())
            self.server.advance(0.04)
        self.client.ask("PAUSE", live)
        self.assertEqual(self.server.live.listeners, [])
        self.client.ask("TEARDOWN", live)

        self.assertEqual(len(self.client.packets()), 10)
        self.assertEqual(len(byes(self.client.reports())), 1)


class LogTests(SynchronousTestCase):
    def test_every_line_about_a_viewer_carries_its_session(self) -> None:
        server = Server()
        client = server.connect()
        client.setup(TCP)
        with capturedLogs() as events:
            client.ask("PLAY")
            server.clock.advance(0.3)
            server.clock.advance(2.0)
            client.ask("PAUSE")
            client.ask("PLAY", Range="npt=5-3")
            client.ask("PLAY", Scale="0")
            client.ask("ANNOUNCE")
            client.ask("TEARDOWN")

        self.assertGreater(len(events), 5)
        for line in said(events):
            self.assertIn(client.session, line)

    def test_a_frame_that_comes_late_is_said_with_the_session(self) -> None:
        film = FakeFilm()
        server = Server(film=film)
        client = server.connect()
        client.play(TCP)
        film.is_slow = True
        server.advance(1)
        with capturedLogs() as events:
            film.release()

        self.assertEqual(len(events), 1)
        self.assertIn(f"session {client.session} stood still for", said(events)[0])

    def test_each_change_of_state_is_one_event(self) -> None:
        server = Server()
        client = server.connect()
        with capturedLogs() as events:
            client.setup(TCP)
            client.ask("PLAY")
            client.ask("PLAY")
            client.ask("PAUSE")
            client.ask("PAUSE")
            client.ask("TEARDOWN")

        about = [line for line in said(events) if client.session in line]
        self.assertEqual(len(about), 4, about)

    def test_refusals_are_not_worth_more_than_debug(self) -> None:
        client = Server().connect()
        with capturedLogs() as events:
            for method in ("PLAY", "NONSENSE", "RECORD"):
                client.ask(method)

        self.assertEqual({event["log_level"] for event in events}, {LogLevel.debug})


class ViewerMachine(RuleBasedStateMachine):
    """Any sequence of methods: nothing plays before SETUP, nothing raises, all is answered."""

    def __init__(self) -> None:
        super().__init__()
        self.server = Server(film=FakeFilm(12), limits=Limits(request_burst=1000))
        self.client = self.server.connect()
        self.expected = State.INIT
        self.was_set_up = False

    @rule(transport=st.sampled_from([UDP, TCP]), named=st.booleans())
    def setup(self, transport: str, named: bool) -> None:
        session = self.client.session if named else None
        answer = self.client.setup(transport, Session=session)
        if answer.status == 200:
            self.expected, self.was_set_up = State.READY, True

    @rule(
        wanted=st.sampled_from([None, "npt=0-", "npt=0.3-", "npt=9-", "npt=5-3", "npt=x"]),
        scale=st.sampled_from([None, "1", "-1", "8", "0.1", "0"]),
    )
    def play(self, wanted: str | None, scale: str | None) -> None:
        answer = self.client.ask("PLAY", Range=wanted, Scale=scale)
        if self.expected is State.INIT:
            assert answer.status in {454, 455}, answer
        elif answer.status == 200:
            self.expected = State.PLAYING

    @rule(method=st.sampled_from(["PAUSE", "TEARDOWN"]))
    def stop(self, method: str) -> None:
        answer = self.client.ask(method)
        assert answer.status in ({454, 455} if self.expected is State.INIT else {200}), answer
        if self.expected is not State.INIT:
            self.expected = State.READY if method == "PAUSE" else State.INIT

    @rule(method=st.sampled_from(["OPTIONS", "DESCRIBE", "GET_PARAMETER", "RECORD", "X"]))
    def other(self, method: str) -> None:
        self.client.ask(method)

    @rule(seconds=st.sampled_from([0.05, 0.3, 1.0]))
    def wait(self, seconds: float) -> None:
        self.server.advance(seconds)

    @precondition(lambda self: self.was_set_up)
    @rule()
    def reconnect(self) -> None:
        session = self.client.session
        self.client.close()
        self.client = self.server.connect()
        self.client.session = session
        if self.client.ask("OPTIONS").status == 454:
            self.expected = State.INIT

    @invariant()
    def nothing_plays_before_setup(self) -> None:
        if not self.was_set_up:
            assert not self.client.packets()
            assert len(self.server.registry) == 0

    @invariant()
    def every_number_follows_the_one_before(self) -> None:
        for sender in self.server.ports.senders:
            packets = flat(sender.trains)
            for packet, following in pairwise(packets):
                assert sequence_delta(following.sequence, packet.sequence) == 1
                assert timestamp_delta(following.timestamp, packet.timestamp) > 0

    @override
    def teardown(self) -> None:
        self.client.close()
        self.server.advance(100, step_s=1)
        assert len(self.server.registry) == 0
        self.server.house.catalogue.close()
        assert not self.server.clock.getDelayedCalls()


class AnySequenceTests(SynchronousTestCase):
    def test_any_sequence_of_methods(self) -> None:
        run_state_machine_as_test(
            ViewerMachine, settings=settings(max_examples=25, stateful_step_count=20)
        )
