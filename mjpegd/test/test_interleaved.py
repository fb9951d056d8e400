from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override

from mjpegd.senders.interleaved import InterleavedSender
from mjpegd.wire.messages import InterleavedFrame
from mjpegd.wire.packets import PacketTrain, TrainTemplate


class SlowCarrier:
    """A connection whose viewer reads when a test says so.

    Attributes:
        is_jammed: The viewer does not read.
        written: Each write.
    """

    def __init__(self) -> None:
        self.is_jammed = False
        self.written: list[bytes] = []

    def write(self, data: bytes | memoryview) -> None:
        self.written.append(bytes(data))


def train(number: int) -> PacketTrain:
    payloads = [b"%03d" % number * 400, b"end"]
    return TrainTemplate(payloads, interleaved=True).stamp(number, 0, 1, channel=2)


class InterleavedSenderTests(SynchronousTestCase):
    @override
    def setUp(self) -> None:
        self.carrier = SlowCarrier()
        self.sender = InterleavedSender(self.carrier, (2, 3))

    def send(self, *numbers: int) -> None:
        for number in numbers:
            self.sender.send_train(train(number), 0.01)

    def assert_written(self, *numbers: int) -> None:
        self.assertEqual(self.carrier.written, [bytes(train(number).buffer) for number in numbers])

    def test_a_frame_is_one_write(self) -> None:
        self.send(1, 2)

        self.assert_written(1, 2)

    def test_while_the_viewer_does_not_read_only_the_newest_frame_waits(self) -> None:
        self.send(1)
        self.carrier.is_jammed = True
        self.send(2, 3, 4)
        self.assert_written(1)

        self.carrier.is_jammed = False
        self.sender.flush()

        self.assert_written(1, 4)
        self.assertEqual(self.sender.dropped, 2)

    def test_a_frame_that_waits_when_playing_stops_is_dropped(self) -> None:
        self.carrier.is_jammed = True
        self.send(1)

        self.sender.discard()
        self.carrier.is_jammed = False
        self.sender.flush()

        self.assert_written()
        self.assertEqual(self.sender.dropped, 1)

    def test_the_last_frame_is_pressed_through_and_no_second_one(self) -> None:
        self.carrier.is_jammed = True
        for number in range(1, 5):
            self.send(number)
            self.sender.flush()
        self.assert_written(1)

        self.carrier.is_jammed = False
        self.sender.flush()

        self.assert_written(1, 4)
        self.assertEqual(self.sender.dropped, 2)

    def test_after_a_jam_one_may_be_pressed_through_again(self) -> None:
        for number in (1, 3):
            self.carrier.is_jammed = True
            self.send(number)
            self.sender.flush()
            self.carrier.is_jammed = False
            self.send(number + 1)

        self.assert_written(1, 2, 3, 4)

    def test_reports_pass_a_jam_on_their_own_channel(self) -> None:
        self.carrier.is_jammed = True

        self.sender.send_report(b"report")

        self.assertEqual(self.carrier.written, [InterleavedFrame(3, b"report").to_bytes()])

    def test_nothing_is_refused_for_good(self) -> None:
        self.send(1)

        self.assertEqual((self.sender.errors, self.sender.last_error), (0, ""))
