"""A server in a test's hands: the dialogues that a viewer has with it, and the packets it sends."""

from twisted.internet.defer import Deferred

from mjpegd.packing import JpegPacking
from mjpegd.test.pictures import picture
from mjpegd.wire.reports import Bye, SenderReport, compound

from ..errors import PlayerError
from ..interfaces import Ears, Offer
from ..talk.location import Location
from .fakes import FakeDialogue, FakeNetwork

SSRC = 7
FPS = 25
_TICKS = 3600
_PACKING = JpegPacking(1400, interleaved=False)


def train(number: int, sequence: int, timestamp: int) -> list[bytes]:
    """The packets of a frame that shows its number."""
    template = _PACKING.pack(picture(number))
    return [bytes(packet) for packet in template.stamp(sequence, timestamp, SSRC).packets()]


class Server:
    """Every dialogue that a viewer begins, and the packets that come to it.

    Attributes:
        dialogues: All of them, oldest first.
        ears: Of each of them.
        errors: What connecting fails with, one after the other, before it succeeds.
        answers_at_once: Dialogues have their usual answers at once.
    """

    def __init__(self, network: FakeNetwork, offer: Offer) -> None:
        self.dialogues: list[FakeDialogue] = []
        self.ears: list[Ears] = []
        self.locations: list[Location] = []
        self.errors: list[PlayerError] = []
        self.answers_at_once = True
        self.is_slow = False
        self._network = network
        self._offer = offer
        self._sequence = 100
        self._timestamp = 90_000

    async def connect(self, location: Location, ears: Ears) -> FakeDialogue:
        """A viewer begins a dialogue."""
        self.locations.append(location)
        if self.is_slow:
            await Deferred()
        if self.errors:
            raise self.errors.pop(0)
        self.dialogues.append(FakeDialogue(self._offer, answers_at_once=self.answers_at_once))
        self.ears.append(ears)
        return self.dialogues[-1]

    @property
    def dialogue(self) -> FakeDialogue:
        """The newest."""
        return self.dialogues[-1]

    def send(self, number: int) -> None:
        """A frame comes, in the connection or at the lowest port."""
        packets = train(number, self._sequence, self._timestamp)
        self._sequence += len(packets)
        self._timestamp += _TICKS
        for packet in packets:
            self._deliver(0, packet)

    def report(self, *, is_end: bool = False) -> None:
        """A sender report comes, with BYE at the end."""
        report = SenderReport(SSRC, 0, 0, 0, 0)
        self._deliver(1, compound(report, Bye((SSRC,))) if is_end else report.to_bytes())

    def _deliver(self, channel: int, data: bytes) -> None:
        if self._network.ports:
            self._network.ports[sorted(self._network.ports)[channel]].receive(data)
        else:
            self.ears[-1].interleaved(channel, data)
