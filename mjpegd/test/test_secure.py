"""`mjpegd.senders.secure`: trains that are encrypted on their way stay trains."""

from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override

from mjpegd.errors import ProtectionError
from mjpegd.interfaces import IPacketSender
from mjpegd.senders.secure import SecureSender
from mjpegd.wire.packets import PacketTrain, TrainTemplate, whole_words


class Recorder:
    """A way that keeps what it is given as it is."""

    def __init__(self) -> None:
        self.dropped = 2
        self.errors = 3
        self.last_error = "no route"
        self.remark = "one by one"
        self.trains: list[PacketTrain] = []
        self.reports: list[bytes] = []
        self.called: list[str] = []

    def send_train(self, train: PacketTrain, spread_s: float) -> None:
        self.trains.append(train)

    def send_report(self, compound: bytes) -> None:
        self.reports.append(compound)

    def flush(self) -> None:
        self.called.append("flush")

    def discard(self) -> None:
        self.called.append("discard")

    def close(self) -> None:
        self.called.append("close")


class Reverse:
    """A cipher that everybody can read.

    Attributes:
        is_worn_out: It encrypts nothing any more.
    """

    tag_bytes = 3
    is_worn_out = False

    def protect(self, packet: bytes) -> bytes:
        if self.is_worn_out:
            raise ProtectionError("the key is worn out")
        return packet[::-1] + b"tag"

    protect_report = protect


class SecureSenderTests(SynchronousTestCase):
    @override
    def setUp(self) -> None:
        self.way = Recorder()
        self.cipher = Reverse()

    def sender(self, *, interleaved: bool = False) -> SecureSender:
        way: IPacketSender = self.way  # type: ignore[assignment]  # it has all that is asked for
        return SecureSender(way, self.cipher, interleaved=interleaved)

    def train(self, *, interleaved: bool = False) -> PacketTrain:
        size = whole_words(104, interleaved=interleaved)
        template = TrainTemplate([b"a" * size, b"b" * size, b"c"], interleaved=interleaved)
        return template.stamp(0xFFFF, 2, 3, channel=6)

    def test_every_packet_grows_by_the_same(self) -> None:
        plain = [bytes(packet) for packet in self.train().packets()]

        self.sender().send_train(self.train(), 0.0)

        (train,) = self.way.trains
        self.assertEqual((train.stride, train.packet_count), (115, 3))
        self.assertEqual(
            [bytes(packet) for packet in train.packets()],
            [packet[::-1] + b"tag" for packet in plain],
        )

    def test_prefixes_stay_readable_and_tell_the_new_lengths(self) -> None:
        plain = [bytes(packet) for packet in self.train(interleaved=True).packets()]

        self.sender(interleaved=True).send_train(self.train(interleaved=True), 0.0)

        (train,) = self.way.trains
        self.assertEqual(train.stride, 123)
        for before, after in zip(plain, train.packets(), strict=True):
            self.assertEqual(bytes(after[:2]), b"$\x06")
            self.assertEqual(int.from_bytes(after[2:4], "big"), len(after) - 4)
            self.assertEqual(bytes(after[4:]), before[:3:-1] + b"tag")

    def test_the_train_that_was_lent_is_left_as_it_was(self) -> None:
        train = self.train()
        before = bytes(train.buffer)

        self.sender().send_train(train, 0.0)

        self.assertEqual(bytes(train.buffer), before)

    def test_reports_are_encrypted(self) -> None:
        self.sender().send_report(b"abc")

        self.assertEqual(self.way.reports, [b"cbatag"])

    def test_what_cannot_be_encrypted_does_not_leave_and_is_counted(self) -> None:
        sender = self.sender()
        self.assertEqual((sender.dropped, sender.errors, sender.last_error), (2, 3, "no route"))
        self.cipher.is_worn_out = True

        sender.send_train(self.train(), 0.0)
        sender.send_report(b"abc")

        self.assertEqual((self.way.trains, self.way.reports), ([], []))
        self.assertEqual((sender.dropped, sender.errors), (3, 5))
        self.assertEqual(sender.last_error, "the key is worn out")

    def test_everything_else_is_the_ways(self) -> None:
        sender = self.sender()

        sender.flush()
        sender.discard()
        sender.close()

        self.assertEqual(self.way.called, ["flush", "discard", "close"])
        self.assertEqual(sender.remark, "one by one")
