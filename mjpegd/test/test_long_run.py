"""Half an hour of streaming, in virtual time: nothing drifts, and nothing piles up."""

import gc
from fractions import Fraction

from twisted.trial.unittest import SynchronousTestCase

from mjpegd.test.conversation import TCP, UDP, Server
from mjpegd.test.fakes import FakeFilm
from mjpegd.wire.clock import RTP_CLOCK_HZ
from mjpegd.wire.packets import sequence_delta, timestamp_delta
from mjpegd.wire.reports import ReceiverReport, compound, parse_compound

# A slow film: the half hour is what matters, and every frame of it costs the test time.
RATE = 8
TICKS = RTP_CLOCK_HZ // RATE
MINUTES = 30
# When all that is kept for good has been made, and at the end.
COUNTED_MINUTES = (4, MINUTES - 1)
# Objects of the interpreter that may come and go between two counts of a hundred thousand.
TOLERATED_OBJECTS = 200


class HalfHourTests(SynchronousTestCase):
    def test_memory_and_pace_stay_level(self) -> None:
        server = Server(film=FakeFilm(20 * RATE, Fraction(RATE)), loop=True)
        datagrams, interleaved, asleep = (server.connect() for _ in range(3))
        for client, transport in ((datagrams, UDP), (interleaved, TCP), (asleep, TCP)):
            client.play(transport)
        asleep.wire.is_reading = False

        last = server.sender.trains[0][0]
        counts = []
        for minute in range(MINUTES):
            server.advance(60, 1 / RATE)
            trains = server.sender.trains
            self.assertLessEqual(abs(len(trains) - 60 * RATE), 2, f"in minute {minute}")
            for train in trains[1:] if minute == 0 else trains:
                self.assertEqual(sequence_delta(train[0].sequence, last.sequence), 1)
                self.assertEqual(timestamp_delta(train[0].timestamp, last.timestamp), TICKS)
                last = train[0]
            self.assertLessEqual(abs(len(interleaved.packets()) - 60 * RATE), 2)
            for recorded in (trains, server.sender.reports, server.sender.spreads_s):
                recorded.clear()
            server.sender.channels.clear()
            interleaved.messages.clear()
            server.registry.received(
                parse_compound(compound(ReceiverReport(1, ()))), datagrams.wire.getPeer().host, 5000
            )
            interleaved.ask("GET_PARAMETER")
            interleaved.messages.clear()
            if minute in COUNTED_MINUTES:
                gc.collect()
                counts.append(len(gc.get_objects()))

        self.assertLess(counts[-1] - counts[0], TOLERATED_OBJECTS)
        self.assertLess(asleep.wire.most_waiting, 1 << 20)
        self.assertEqual(len(server.registry), 3)
