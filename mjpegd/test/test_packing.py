"""`mjpegd.packing`: what a packing takes as it is, and what it asks for otherwise."""

from twisted.trial.unittest import SynchronousTestCase

from mjpegd.packing import JpegPacking, shared
from mjpegd.pictures.forms import Big, JpegForm, Rendition
from mjpegd.pictures.normalise import Step
from mjpegd.test.fakes import small_picture
from mjpegd.test.pictures import picture
from mjpegd.wire.errors import BrokenJpegError, UnsupportedJpegError
from mjpegd.wire.packets import (
    INTERLEAVED_PREFIX_BYTES,
    RTP_HEADER_BYTES,
    WORD_BYTES,
    RTPPacket,
)
from mjpegd.wire.recode import recode

ONVIF = JpegForm(big=Big.ONVIF)
LARGE = (2064, 64)


def packing(form: JpegForm | None = None) -> JpegPacking:
    return JpegPacking(1388, interleaved=False, form=form or JpegForm())


class JpegPackingTests(SynchronousTestCase):
    def test_packets_are_as_long_as_they_may_be(self) -> None:
        template = packing().pack(picture(1, size=(640, 480)))

        self.assertGreater(template.packet_count, 2)
        self.assertEqual(template.stride, RTP_HEADER_BYTES + 1388)

    def test_packets_are_whole_words(self) -> None:
        for most in range(1385, 1389):
            template = JpegPacking(most, interleaved=True).pack(picture(1, size=(640, 480)))

            self.assertEqual(template.stride % WORD_BYTES, 0)
            longest = INTERLEAVED_PREFIX_BYTES + RTP_HEADER_BYTES + most
            self.assertTrue(longest - WORD_BYTES < template.stride <= longest)

    def test_equal_ones_are_shared(self) -> None:
        one = shared(packing())

        self.assertIs(shared(packing()), one)
        self.assertIsNot(shared(packing(ONVIF)), one)

    def test_packets_with_an_extension_are_no_longer(self) -> None:
        train = packing(ONVIF).pack(picture(1, size=LARGE)).stamp(0, 0, 0)

        packets = [RTPPacket.parse(bytes(packet)) for packet in train.packets()]
        self.assertTrue(all(packet.extension is not None for packet in packets))
        self.assertLessEqual(max(map(len, train.packets())), RTP_HEADER_BYTES + 1388)

    def test_what_has_to_be_made_fit_is_refused_with_the_reason_and_taken_afterwards(self) -> None:
        grey = picture(1, mode="L")
        refusal = self.assertRaises(UnsupportedJpegError, packing().pack, grey)
        normal = packing().normalise(grey, recode)

        self.assertEqual((str(refusal), normal.step), ("greyscale", Step.RECODED))
        self.assertGreater(packing().pack(normal.picture).packet_count, 0)

    def test_what_is_damaged_is_refused_for_good(self) -> None:
        for refused in (packing().pack, packing().working_bytes):
            self.assertRaises(BrokenJpegError, refused, b"\xff\xd8 no JPEG")

    def test_memory_is_known_before_it_is_used(self) -> None:
        self.assertGreaterEqual(packing().working_bytes(picture(1, size=(640, 480))), 640 * 480)

    def test_equal_packings_name_the_same_trains(self) -> None:
        self.assertEqual({packing(), packing(JpegForm())}, {packing()})
        self.assertNotEqual(packing(), packing(ONVIF))

    def test_rendition_is_that_of_the_form(self) -> None:
        wanted = Rendition(width=320)

        self.assertEqual(packing(JpegForm(rendition=wanted)).rendition, wanted)
        self.assertEqual(packing().pack(small_picture(1)).packet_count, 1)
