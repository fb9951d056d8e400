"""`mjpegd.workshop`: each picture is made once, within bounds, and what fails is told to all."""

from collections.abc import Hashable
from traceback import extract_tb

from twisted.internet.defer import Deferred, fail, succeed
from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override

from mjpegd.errors import MediaError
from mjpegd.laboratory import LaboratoryPacking
from mjpegd.packing import JpegPacking, Packing
from mjpegd.pictures.forms import PLAIN_RENDITION
from mjpegd.pictures.normalise import Normal, Recode, Step
from mjpegd.test.fakes import Crank, at_once
from mjpegd.test.pictures import picture, with_segment
from mjpegd.wire.errors import BrokenJpegError, UnsupportedJpegError
from mjpegd.wire.packets import TrainTemplate
from mjpegd.wire.recode import recode as reference
from mjpegd.workshop import PLACES_PER_THREAD, WORK_BYTES, Made, Workshop

JPEG_PACKING = JpegPacking(max_payload_bytes=1388, interleaved=False)


class RecordingPacking:
    """A packing that takes what was made of a picture.

    Attributes:
        made: The pictures that were worked at.
        needed_bytes: The memory that it claims to need.
    """

    form: Hashable = "form"
    rendition = PLAIN_RENDITION

    def __init__(self) -> None:
        self.made: list[bytes] = []
        self.needed_bytes = 1000

    def pack(self, picture: bytes) -> TrainTemplate:
        """Any picture in one packet."""
        return TrainTemplate([picture], interleaved=False)

    def working_bytes(self, picture: bytes) -> int:
        """What the test says; nothing is known of a broken one."""
        if picture == b"broken":
            raise BrokenJpegError("is broken")
        return self.needed_bytes

    def normalise(self, picture: bytes, recode: Recode | None) -> Normal:
        """Keep what came."""
        self.made.append(picture)
        return Normal(picture, Step.RECODED, "its reason")


class WorkshopTests(SynchronousTestCase):
    @override
    def setUp(self) -> None:
        self.crank = Crank()
        self.packing: RecordingPacking = RecordingPacking()
        self.reads: list[Deferred[bytes]] = []
        self.workshop = Workshop(self.crank, 2, recode=bytes)
        self.places = self.workshop.places()

    def make(self, key: Hashable, picture: bytes | None = b"picture") -> Deferred[Made]:
        """Ask for a picture; with None, one that the disk has not yet."""
        packing: Packing = self.packing
        return self.workshop.make(key, lambda: self.read(picture), packing, self.places)

    def read(self, picture: bytes | None) -> Deferred[bytes]:
        reading: Deferred[bytes] = Deferred() if picture is None else succeed(picture)
        self.reads.append(reading)
        return reading

    def test_picture_is_made_in_a_thread(self) -> None:
        made = self.make(1)
        self.assertNoResult(made)
        self.crank.turn_all()

        self.assertEqual(self.successResultOf(made).normal.picture, b"picture")

    def test_all_who_ask_for_a_picture_share_the_work(self) -> None:
        asked = [self.make(1) for _ in range(50)]
        self.crank.turn_all()

        for made in asked:
            self.successResultOf(made)
        self.assertEqual(self.packing.made, [b"picture"])

    def test_picture_stays_at_hand(self) -> None:
        self.assertIsNone(self.workshop.at_hand(1))
        self.make(1)
        self.crank.turn_all()

        made = self.workshop.at_hand(1)
        assert made is not None
        self.assertEqual(made.normal, Normal(b"picture", Step.RECODED, "its reason"))

    def test_what_cannot_be_made_is_told_to_all_and_remembered(self) -> None:
        asked = [self.make(1, b"broken") for _ in range(3)]

        for made in asked:
            self.failureResultOf(made, BrokenJpegError)
        self.assertRaises(BrokenJpegError, self.workshop.at_hand, 1)

    def test_what_is_remembered_grows_with_nobody_who_asks(self) -> None:
        self.failureResultOf(self.make(1, b"broken"), BrokenJpegError)
        tracebacks = set()
        for _ in range(5):
            self.failureResultOf(self.make(1), BrokenJpegError)
            error = self.assertRaises(BrokenJpegError, self.workshop.at_hand, 1)
            tracebacks.add(len(extract_tb(error.__traceback__)))

        self.assertEqual(len(tracebacks), 1)

    def test_what_cannot_be_read_is_told_to_all_and_asked_for_again(self) -> None:
        asked = [self.make(1, None) for _ in range(3)]
        self.reads[0].errback(MediaError("the disk is gone"))
        for made in asked:
            self.failureResultOf(made, MediaError)

        again = self.make(1)
        self.crank.turn_all()
        self.successResultOf(again)

    def test_few_pictures_are_read_at_a_time_and_the_others_in_order(self) -> None:
        for number in range(20):
            self.make(number, None)

        for most in range(2 * PLACES_PER_THREAD, 20):
            self.assertEqual(len(self.reads), most)
            self.reads[most - 2 * PLACES_PER_THREAD].callback(b"picture")
            self.crank.turn_all()

    def test_film_whose_disk_hangs_holds_up_no_other(self) -> None:
        for number in range(2 * PLACES_PER_THREAD):
            self.make(number, None)

        self.places = self.workshop.places()
        made = self.make("another film's")
        self.crank.turn_all()

        self.successResultOf(made)

    def test_place_is_free_again_after_a_failure(self) -> None:
        for number in range(20):
            self.failureResultOf(self.make(number, b"broken"), BrokenJpegError)

        made = self.make("last")
        self.crank.turn_all()
        self.successResultOf(made)

    def test_work_that_needs_much_memory_waits_for_it(self) -> None:
        self.packing.needed_bytes = WORK_BYTES // 2 + 1
        for number in range(3):
            self.make(number)

        for _ in range(3):
            self.assertEqual(len(self.crank.turns), 1)
            self.crank.turn()

    def test_small_work_does_not_overtake_large_work(self) -> None:
        for size_bytes in (WORK_BYTES - 1, WORK_BYTES, 1):
            self.packing.needed_bytes = size_bytes
            self.make(size_bytes, b"%d" % size_bytes)
        self.crank.turn_all()

        made = [int(picture) for picture in self.packing.made]
        self.assertEqual(made, [WORK_BYTES - 1, WORK_BYTES, 1])

    def test_work_that_needs_more_than_there_is_goes_alone(self) -> None:
        self.packing.needed_bytes = 10 * WORK_BYTES
        made = self.make(1)
        self.crank.turn_all()

        self.successResultOf(made)


class HintTests(SynchronousTestCase):
    """What a stream's log line says to an operator without the library."""

    def hint(self, data: bytes, packing: Packing, recode: Recode | None = None) -> str:
        workshop = Workshop(at_once, 1, recode)
        made = workshop.make(1, lambda: succeed(data), packing, workshop.places())
        return self.successResultOf(made).hint

    def test_loss_that_the_library_would_save_is_said(self) -> None:
        for lossless in (picture(1, optimize=True), picture(1, mode="L")):
            self.assertIn("libturbojpeg0", self.hint(lossless, JPEG_PACKING))

    def test_loss_that_nothing_would_save_is_not_blamed_on_the_library(self) -> None:
        field = with_segment(picture(1), 0xE0, b"AVI1\1" + bytes(9))
        for lossy in (
            picture(1, subsampling="4:4:4"),
            picture(1, size=(2120, 64)),
            field + field,
            # Cr has the table of luma.
            picture(1, optimize=True).replace(b"\x03\x11\x01", b"\x03\x11\x00"),
        ):
            self.assertEqual(self.hint(lossy, JPEG_PACKING), "")
        large = picture(1, size=(640, 480), quality=95)
        self.assertEqual(self.hint(large, LaboratoryPacking(len(large))), "")

    def test_where_nothing_is_lost_there_is_nothing_to_install(self) -> None:
        self.assertEqual(self.hint(picture(1, optimize=True), JPEG_PACKING, reference), "")
        self.assertEqual(self.hint(picture(1), JPEG_PACKING), "")


class HungryPacking(RecordingPacking):
    """A packing for whose pictures there is not memory enough."""

    @override
    def normalise(self, picture: bytes, recode: Recode | None) -> Normal:
        """Fail."""
        raise MemoryError


class FailureTests(SynchronousTestCase):
    def test_too_little_memory_costs_a_picture_and_no_more(self) -> None:
        workshop = Workshop(at_once, 1, None)
        made = workshop.make(1, lambda: succeed(b"picture"), HungryPacking(), workshop.places())

        self.failureResultOf(made, UnsupportedJpegError)

    def test_fault_of_ours_reaches_who_asked(self) -> None:
        workshop = Workshop(Crank(), 1, None)
        made = workshop.make(
            1, lambda: fail(ZeroDivisionError()), RecordingPacking(), workshop.places()
        )

        self.failureResultOf(made, ZeroDivisionError)
