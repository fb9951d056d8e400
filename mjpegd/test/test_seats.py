"""What a session takes: how much, how much more, and that it is given back once."""

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override

from mjpegd.capacity.admission import Headcount, Seat
from mjpegd.capacity.seats import HeldSeat
from mjpegd.errors import RTSPError
from mjpegd.limits import Limits
from mjpegd.logs import Tally, say_count

SEAT = Seat("192.0.2.1", bits_per_s=1_000_000)
MOST = 3_000_000


class SlowHeadcount(Headcount):
    """Somebody far away counts: changes are granted when a test says so."""

    def __init__(self) -> None:
        super().__init__(Limits(bits_per_s=4_000_000), Tally(Clock(), say_count))
        self.far: Deferred[None] | None = None

    @override
    def change_seat(self, seat: Seat, other: Seat) -> "Deferred[None]":
        changed = super().change_seat(seat, other)
        if self.far is None:
            return changed
        return self.far.addCallback(lambda _: changed)


class HeldSeatTests(SynchronousTestCase):
    @override
    def setUp(self) -> None:
        self.headcount = SlowHeadcount()
        self.seat = self.successResultOf(self.take(SEAT))

    def take(self, seat: Seat) -> "Deferred[HeldSeat]":
        return Deferred.fromCoroutine(HeldSeat.take(self.headcount, seat, MOST))

    def granted(self, speed: float) -> "Deferred[float]":
        return Deferred.fromCoroutine(self.seat.granted(speed))

    def test_one_viewer_may_need_only_so_much(self) -> None:
        refusal = self.failureResultOf(self.take(Seat("h", bits_per_s=MOST + 1)), RTSPError)

        self.assertEqual(refusal.value.status, 453)
        self.assertEqual(self.headcount.sessions, 1)

    def test_a_higher_speed_needs_more_and_no_more_than_one_may_have(self) -> None:
        self.assertEqual(self.successResultOf(self.granted(2.0)), 2.0)
        self.assertEqual(self.headcount.bits_per_s, 2_000_000)
        self.assertEqual(self.successResultOf(self.granted(16.0)), 3.0)
        self.assertEqual(self.headcount.bits_per_s, MOST)

    def test_slowly_it_keeps_what_it_needs_at_full_speed(self) -> None:
        self.successResultOf(self.granted(2.0))
        self.assertEqual(self.successResultOf(self.granted(0.5)), 0.5)
        self.assertEqual(self.headcount.bits_per_s, 1_000_000)

    def test_what_is_not_there_is_refused_and_changes_nothing(self) -> None:
        self.successResultOf(self.headcount.take_seat(Seat("h", bits_per_s=3_000_000)))

        refusal = self.failureResultOf(self.granted(2.0), RTSPError)

        self.assertEqual(refusal.value.status, 453)
        self.seat.give_back()
        self.assertEqual(self.headcount.bits_per_s, 3_000_000)

    def test_who_goes_while_more_is_asked_for_gives_back_what_it_got(self) -> None:
        far: Deferred[None] = Deferred()
        self.headcount.far = far
        asked = self.granted(2.0)
        self.seat.give_back()
        self.assertEqual(self.headcount.sessions, 1)

        far.callback(None)

        self.successResultOf(asked)
        self.assertEqual((self.headcount.sessions, self.headcount.bits_per_s), (0, 0))

    def test_one_change_is_asked_for_at_a_time(self) -> None:
        self.headcount.far = Deferred()
        asked = self.granted(2.0)

        self.failureResultOf(self.granted(3.0), RTSPError)
        self.headcount.far.callback(None)

        self.assertEqual(self.successResultOf(asked), 2.0)

    def test_a_stream_that_needs_nothing_has_every_speed(self) -> None:
        self.seat = self.successResultOf(self.take(Seat("h")))

        self.assertEqual(self.successResultOf(self.granted(16.0)), 16.0)
