"""Any conversation of several clients: the server is held to a model of its table of states."""

from contextlib import ExitStack
from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.logger import LogLevel, capturedLogs
from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override

from mjpegd.capacity.admission import Headcount, Seat
from mjpegd.errors import RTSPError
from mjpegd.limits import Limits
from mjpegd.logs import Tally, say_count
from mjpegd.session import Method, Owner, State
from mjpegd.test.conversation import FILM, UDP, VIEWER, Client, Server
from mjpegd.test.fakes import FakeFilm, RecordingSender
from mjpegd.test.logins import EVERYTHING, door, password_of
from mjpegd.test.test_session import ANSWERS
from mjpegd.wire.headers import Lower, SessionHeader, Transport
from mjpegd.wire.messages import Response
from mjpegd.wire.reports import ReceiverReport

ELSEWHERE = "192.0.2.66"
SECRET, OPEN = "secret.Mjpeg", "open.Mjpeg"
PATHS = (FILM, SECRET, OPEN, "live", "nothing", "")
# Who may watch what; None has not logged in.
MAY_WATCH = {None: {OPEN, "live"}, "bert": {OPEN, "live", FILM, "nothing"}, "anna": set(PATHS)}
LIMITS = Limits(sessions=6, request_burst=100_000, packet_burst=100_000, nonce_s=1e9)
# What the tables of RFC 2326 do not tell: these move no session.
OTHERS = {
    "OPTIONS": 200,
    "GET_PARAMETER": 200,
    "SET_PARAMETER": 200,
    "ANNOUNCE": 405,
    "REDIRECT": 405,
    "RECORD": 455,
    "NONSENSE": 501,
}
METHODS = ["SETUP", "PLAY", "PAUSE", "TEARDOWN", "DESCRIBE", *OTHERS]
# Sessions are looked after once a second; until then one may still be there.
LOOK_S = 1.01
NOBODYS = "12345678901234567890"


@dataclass(eq=False)
class Person:
    """Somebody at one end of a connection.

    Attributes:
        client: The connection.
        owner: Whose sessions this is.
        named: The sessions that were named or made on it, and are still there.
    """

    client: Client
    owner: Owner
    named: "set[Ticket]" = field(default_factory=set)

    def may_watch(self, path: str) -> bool:
        return path in MAY_WATCH[self.owner.user]


@dataclass(eq=False)
class Ticket:
    """What is to be true of a session.

    Attributes:
        carrier: Who made it interleaved, and takes it along; None where it is for UDP.
        sender: Where its packets for UDP end.
        sent: How many trains were sent there when it was looked at.
    """

    identifier: str
    owner: Owner
    path: str
    state: State
    touched_s: float
    connections: set[Person]
    carrier: Person | None = None
    sender: RecordingSender = field(default_factory=RecordingSender)
    port: int = 0
    orphaned_s: float | None = None
    sent: int = 0

    def silent_s(self, now_s: float) -> float:
        """How far beyond its time it is; below 0 it has to be there."""
        if self.carrier is not None:
            return now_s - self.touched_s - LIMITS.interleaved_idle_s
        beyond_s = now_s - self.touched_s - LIMITS.session_timeout_s * LIMITS.session_grace
        if self.orphaned_s is None:
            return beyond_s
        return max(beyond_s, now_s - self.orphaned_s - LIMITS.orphan_s + LOOK_S)


class FarHeadcount(Headcount):
    """Somebody far away counts.

    Attributes:
        under_way: Answers wait for it; None where they are there at once.
    """

    def __init__(self) -> None:
        super().__init__(LIMITS, Tally(Clock(), say_count))
        self.under_way: Deferred[None] | None = None

    @override
    def take_seat(self, seat: Seat) -> Deferred[None]:
        answered = self.under_way or succeed(None)
        return answered.addCallback(lambda _: super(FarHeadcount, self).take_seat(seat))


class ConversationMachine(RuleBasedStateMachine):
    """Several clients in any order; the rules say what each is answered, and what becomes of it."""

    def __init__(self) -> None:
        super().__init__()
        self.headcount = FarHeadcount()
        rights = {"anna": EVERYTHING, "bert": f'watch = ["{FILM}", "nothing"]'}
        self.server = Server(
            LIMITS,
            loop=True,
            film=FakeFilm(6),
            admission=self.headcount,
            door=door(rights, everyone=f'watch = ["{OPEN}", "live"]'),
        )
        for path in (SECRET, OPEN):
            self.server.shelf.films[path] = FakeFilm(6)
        self.people: list[Person] = []
        self.tickets: list[Ticket] = []
        self.ended: list[Ticket] = []
        self.next_port = 5000
        self._undo = ExitStack()
        self.events = self._undo.enter_context(capturedLogs())

    @property
    def now_s(self) -> float:
        return self.server.clock.seconds()

    # --- Who comes and goes ---------------------------------------------------------------

    @initialize()
    def somebody_is_there(self) -> None:
        self.come(VIEWER, "anna")

    @precondition(lambda self: len(self.people) < 4)
    @rule(
        host=st.sampled_from([VIEWER, VIEWER, ELSEWHERE]),
        user=st.sampled_from([None, "anna", "bert"]),
    )
    def come(self, host: str, user: str | None) -> None:
        client = self.server.connect(host)
        if user is not None:
            client.log_in(user, password_of(user))
        self.people.append(Person(client, Owner(host, user)))

    @precondition(lambda self: self.people)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        person = data.draw(st.sampled_from(self.people))
        person.client.close()
        self.gone(person)

    def gone(self, person: Person) -> None:
        self.people.remove(person)
        for ticket in list(person.named):
            ticket.connections.discard(person)
            if ticket.carrier is person:
                self.end(ticket)
            elif ticket.carrier is None and not ticket.connections:
                ticket.orphaned_s = self.now_s

    def end(self, ticket: Ticket) -> None:
        ticket.state = State.INIT
        self.tickets.remove(ticket)
        self.ended.append(ticket)
        ticket.sent = len(ticket.sender.trains)
        for person in self.people:
            person.named.discard(ticket)

    @precondition(lambda self: self.people)
    @rule(data=st.data(), path=st.sampled_from([FILM, OPEN]))
    def leave_while_a_seat_is_sought(self, data: st.DataObject, path: str) -> None:
        person = data.draw(st.sampled_from(self.people))
        answer = self.headcount.under_way = Deferred()
        person.client.send(person.client.text("SETUP", url(path), Transport=UDP, Session=None))
        person.client.close()
        self.gone(person)
        self.headcount.under_way = None
        answer.callback(None)

    # --- What is asked --------------------------------------------------------------------

    @precondition(lambda self: self.people)
    @rule(
        data=st.data(),
        path=st.sampled_from([FILM, OPEN, SECRET, "live"]),
        wanted=st.sampled_from(["UDP", "TCP"]),
    )
    def watch(self, data: st.DataObject, path: str, wanted: str) -> None:
        """Somebody asks for a new session."""
        person = data.draw(st.sampled_from(self.people), label="person")
        self.ask(person, None, "SETUP", path, wanted)

    @precondition(lambda self: self.owned())
    @rule(
        data=st.data(),
        method=st.sampled_from(["PLAY"] * 4 + ["PAUSE"] * 2 + METHODS),
        wanted=st.sampled_from(["UDP", "TCP"]),
    )
    def use(self, data: st.DataObject, method: str, wanted: str) -> None:
        """Somebody asks for something, as the owner of a session does."""
        person, ticket = data.draw(st.sampled_from(self.owned()), label="person, session")
        self.ask(person, ticket, method, ticket.path, wanted)

    @precondition(lambda self: self.people)
    @rule(
        data=st.data(),
        method=st.sampled_from(METHODS),
        path=st.sampled_from(PATHS),
        wanted=st.sampled_from(["UDP", "TCP", "low", "far", "none"]),
    )
    def try_anything(self, data: st.DataObject, method: str, path: str, wanted: str) -> None:
        """Somebody asks for something, with a session that is anybody's, nobody's, or none."""
        person = data.draw(st.sampled_from(self.people), label="person")
        named: Ticket | str | None = data.draw(
            st.sampled_from([None, NOBODYS, "no identifier", *self.tickets, *self.ended[-2:]]),
            label="session",
        )
        self.ask(person, named, method, path, wanted)

    def owned(self) -> list[tuple[Person, Ticket]]:
        """Who is there, with each session that is theirs."""
        return [
            (person, ticket)
            for person in self.people
            for ticket in self.tickets
            if person.owner == ticket.owner
        ]

    def ask(
        self, person: Person, named: Ticket | str | None, method: str, path: str, wanted: str
    ) -> None:
        """A request, and whether it is answered as it has to be."""
        identifier = named.identifier if isinstance(named, Ticket) else named
        transport = self.transport(wanted) if method == "SETUP" else None
        refusal = self.refusal(person, named, method, path)
        answer = person.client.ask(method, url(path), Session=identifier, Transport=transport)
        for carried in self.tickets:
            if carried.carrier is person:
                carried.touched_s = self.now_s
        if refusal:
            assert answer.status == refusal, answer
            return
        if isinstance(named, Ticket):
            person.named.add(named)
            named.connections.add(person)
            named.touched_s, named.orphaned_s = self.now_s, None
        ticket = named if isinstance(named, Ticket) else None
        if method in OTHERS:
            assert answer.status == OTHERS[method], answer
        elif method == "DESCRIBE":
            assert answer.status == (404 if path in {"", "nothing"} else 200), answer
        elif method == "SETUP":
            self.is_set_up(person, ticket, path, wanted, answer)
        else:
            self.is_moved(person, ticket, Method(method), path, answer)

    def refusal(
        self, person: Person, named: Ticket | str | None, method: str, path: str
    ) -> int | None:
        """How a request is refused before its method is looked at; None if it is not."""
        is_opening = method in {"DESCRIBE", "SETUP"}
        if method != "OPTIONS" and (path or is_opening) and not person.may_watch(path):
            return 401 if person.owner.user is None else 403
        if named is None or (person, named) in self.owned():
            return None
        return 454

    def transport(self, wanted: str) -> str:
        self.next_port += 2
        return {
            "UDP": f"RTP/AVP;unicast;client_port={self.next_port}-{self.next_port + 1}",
            "TCP": "RTP/AVP/TCP;unicast;interleaved=0-1",
            "low": "RTP/AVP;unicast;client_port=53-54",
            "far": f"{UDP};destination=203.0.113.9",
            "none": "RTP/AVP;multicast",
        }[wanted]

    def setup_status(self, ticket: Ticket | None, path: str, wanted: str) -> int:
        if ticket is not None and ANSWERS[ticket.state, Method.SETUP][0] == 455:
            return 455
        if path in {"", "nothing"}:
            return 404
        if ticket is not None and ticket.path != path:
            return 459
        if wanted not in {"UDP", "TCP"}:
            return 403 if wanted == "far" else 461
        is_full = ticket is None and len(self.tickets) >= LIMITS.sessions
        return 453 if is_full else 200

    def is_set_up(
        self, person: Person, ticket: Ticket | None, path: str, wanted: str, answer: Response
    ) -> None:
        assert answer.status == self.setup_status(ticket, path, wanted), answer
        if answer.status != 200:
            return
        identifier = SessionHeader.parse(answer.headers.get("Session") or "").identifier
        if ticket is None:
            assert identifier not in {each.identifier for each in self.tickets + self.ended}
            ticket = Ticket(identifier, person.owner, path, State.READY, self.now_s, {person})
            self.tickets.append(ticket)
            person.named.add(ticket)
        assert ticket.identifier == identifier
        transport = Transport.parse(answer.headers.get("Transport") or "")
        ticket.carrier = person if transport.lower is Lower.TCP else None
        ticket.sender = RecordingSender() if ticket.carrier else self.server.sender
        ticket.port = transport.client_port[1] if transport.client_port else 0
        if ticket.port:
            assert self.server.ports.asked[-1][0] == person.owner.host

    def is_moved(
        self, person: Person, ticket: Ticket | None, method: Method, path: str, answer: Response
    ) -> None:
        if ticket is None:
            assert answer.status == (454 if person.named else 455), answer
            return
        if path != ticket.path:
            assert answer.status == 404, answer
            return
        status, state = ANSWERS[ticket.state, method]
        assert answer.status == status, answer
        if state is State.INIT:
            self.end(ticket)
        ticket.state = state

    @precondition(lambda self: self.people)
    @rule(user=st.sampled_from(["anna", "nobody"]), password=st.sampled_from(["x", "y", ""]))
    def guess(self, user: str, password: str) -> None:
        """A wrong login, which waits for its answer and lets nobody in."""
        client = self.server.connect(ELSEWHERE)
        client.log_in(user, password)
        client.send(client.text("SETUP", url(OPEN), Transport=UDP))
        before = len(client.responses())
        self.pass_time(17.0)

        statuses = [answer.status for answer in client.responses()[before:]]
        assert statuses == [401], statuses
        client.close()

    # --- What time brings -----------------------------------------------------------------

    @rule(seconds=st.sampled_from([0.5, 1.0, 5.0, 8.5, 11.0, 30.0, 75.0]))
    def pass_time(self, seconds: float) -> None:
        before = {ticket: len(ticket.sender.trains) for ticket in self.tickets}
        playing = {ticket for ticket in self.tickets if ticket.state is State.PLAYING}
        self.server.advance(seconds, step_s=0.25)
        self.look()
        for ticket, count in before.items():
            is_film = ticket.path != "live" and ticket.carrier is None
            if ticket not in playing:
                assert len(ticket.sender.trains) == count, "sent without PLAY"
            elif is_film and ticket in self.tickets:
                assert len(ticket.sender.trains) > count, "nothing was sent"

    def look(self) -> None:
        """Sessions whose time is over end, and connections that are for nothing close."""
        for ticket in list(self.tickets):
            beyond_s = ticket.silent_s(self.now_s)
            if self.state_of(ticket) is State.INIT:
                assert beyond_s >= 0, ticket
                self.end(ticket)
            else:
                assert beyond_s <= LOOK_S, ticket
        for person in list(self.people):
            if person.client.wire.is_half_closed:
                assert not person.named, "it was in use"
                person.client.close()
                self.gone(person)

    def state_of(self, ticket: Ticket) -> State:
        """Where the server has it."""
        try:
            return self.server.registry.find(ticket.identifier, ticket.owner).state
        except RTSPError:
            return State.INIT

    @precondition(lambda self: self.tickets)
    @rule(data=st.data(), is_its_own=st.booleans())
    def report(self, data: st.DataObject, is_its_own: bool) -> None:
        """RTCP keeps a session over UDP, if it comes from where media goes."""
        ticket = data.draw(st.sampled_from(self.tickets))
        host = ticket.owner.host if is_its_own else "203.0.113.9"
        self.server.registry.received([ReceiverReport(1, ())], host, ticket.port)
        if is_its_own and ticket.port:
            ticket.touched_s = self.now_s

    # --- What is always so ----------------------------------------------------------------

    @invariant()
    def sessions_are_where_they_should_be(self) -> None:
        for ticket in self.tickets:
            assert self.state_of(ticket) is ticket.state, ticket
        for ticket in self.ended:
            assert self.state_of(ticket) is State.INIT
            assert len(ticket.sender.trains) == ticket.sent, "sent after the end"

    @invariant()
    def all_are_counted(self) -> None:
        assert len(self.server.registry) == len(self.tickets)
        assert self.headcount.sessions == len(self.tickets)
        assert self.server.factory.connections == len(self.people)

    @invariant()
    def nothing_broke(self) -> None:
        broken = [event for event in self.events if event["log_level"] >= LogLevel.error]
        assert not broken, broken

    @override
    def teardown(self) -> None:
        for person in list(self.people):
            person.client.close()
            self.gone(person)
        self.server.advance(LIMITS.orphan_s, step_s=0.5)
        assert len(self.server.registry) == 0
        assert (self.headcount.sessions, self.headcount.bits_per_s) == (0, 0)
        assert self.server.factory.connections == 0
        self.server.house.tally.stop()
        self.server.house.catalogue.close()
        assert not self.server.clock.getDelayedCalls()
        self.nothing_broke()
        self._undo.close()


def url(path: str) -> str:
    return f"rtsp://192.0.2.1:8554/{path}"


class AnyConversationTests(SynchronousTestCase):
    def test_any_conversation_keeps_to_the_table(self) -> None:
        many = settings().max_examples // 2
        run_state_machine_as_test(
            ConversationMachine, settings=settings(max_examples=many, stateful_step_count=40)
        )
