from fractions import Fraction

from twisted.trial.unittest import SynchronousTestCase

from mjpegd.sources.decoder_messages import (
    DecoderLimits,
    Kind,
    Message,
    MessageSplitter,
    Opening,
    Order,
    Task,
)


class MessageTests(SynchronousTestCase):
    MESSAGES = (
        Message(Kind.OPENED, body=Opening("H.264", Fraction(30000, 1001), timed=True).to_bytes()),
        Message(Kind.PICTURE, 2**32 - 1, b"\xff\xd8" * 700),
        Message(Kind.REFUSED, body=b"no"),
    )

    def test_in_portions_of_any_size(self) -> None:
        data = b"".join(message.to_bytes() for message in self.MESSAGES)
        for size in (1, 7, len(data)):
            with self.subTest(size=size):
                splitter = MessageSplitter()
                found = [
                    message
                    for at in range(0, len(data), size)
                    for message in splitter.feed(data[at : at + size])
                ]

                self.assertEqual(found, list(self.MESSAGES))

    def test_there_and_back(self) -> None:
        order = Order(2**32 - 1, 2040, 16, 100)
        opening = Opening("VP8", None, timed=False)
        task = Task("mov", DecoderLimits(decode_s=0.5), 99)

        self.assertEqual(Order.parse(order.to_bytes()), order)
        self.assertEqual(Opening.parse(opening.to_bytes()), opening)
        self.assertEqual(Task.parse(task.to_text()), task)
