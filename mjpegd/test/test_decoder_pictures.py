from fractions import Fraction

from av.video.frame import VideoFrame
from PIL import Image
from typing_extensions import override

from mjpegd.sources.decoder_frames import VideoDecoder
from mjpegd.sources.decoder_messages import DecoderLimits, Order
from mjpegd.test.decoders import LARGE, DecoderCase
from mjpegd.test.pictures import number_of
from mjpegd.test.videos import SIZE, encoded, turned, video
from mjpegd.wire.jpeg_frame import rtp_frame
from mjpegd.wire.jpeg_image import JpegImage


def patch(luma: int, blue: int, red: int, size: tuple[int, int]) -> VideoFrame:
    """A picture of one colour."""
    frame = VideoFrame(*size, "yuv420p")
    for plane, value in zip(frame.planes, (luma, blue, red), strict=True):
        plane.update(bytes([value]) * plane.buffer_size)
    return frame


class PictureTests(DecoderCase):
    @override
    def decoder(
        self, film: bytes, container: str = "mov", limits: DecoderLimits | None = None
    ) -> VideoDecoder:
        """One that knows its frames."""
        decoder = super().decoder(film, container, limits)
        self.times(decoder)
        return decoder

    def test_can_go_out_as_they_are(self) -> None:
        jpeg = self.decoder(video()).picture(Order(0, LARGE, LARGE, 85))

        self.assertEqual(rtp_frame(JpegImage.parse(jpeg)).type, 1)

    def test_no_larger_than_the_film(self) -> None:
        self.assertEqual(self.picture(self.decoder(video()), 3).size, SIZE)

    def test_fitted_into_what_is_asked_for(self) -> None:
        decoder = self.decoder(video())
        for width, height, size in (
            (32, LARGE, (32, 24)),
            (LARGE, 36, (48, 36)),
            (40, 18, (24, 18)),
            (1, 1, (16, 16)),
        ):
            with self.subTest(width=width, height=height):
                self.assertEqual(self.picture(decoder, 3, width, height).size, size)

    def test_quality(self) -> None:
        decoder = self.decoder(video())

        sizes = [len(decoder.picture(Order(0, LARGE, LARGE, quality))) for quality in (1, 50, 100)]

        self.assertEqual(sizes, sorted(set(sizes)))

    def test_pixels_that_are_not_square(self) -> None:
        for shape, width in ((Fraction(4, 3), 85), (Fraction(1, 2), 32), (Fraction(50), 64)):
            with self.subTest(shape=shape):
                decoder = self.decoder(video(1, codec="mpeg4", pixel_shape=shape))

                self.assertEqual(self.picture(decoder, 0).size, (width, 48))

    def test_turned(self) -> None:
        decoder = self.decoder(turned(video(1)))
        picture = self.picture(decoder, 0)
        if picture.size == SIZE and not hasattr(VideoFrame, "rotation"):
            self.skipTest("this PyAV tells no rotation")
        self.assertEqual(picture.size, SIZE[::-1])
        # As it was before: turned back.
        self.assertEqual(number_of(picture.transpose(Image.Transpose.ROTATE_90)), 0)

    def test_colours_by_what_the_height_says(self) -> None:
        for size, red in (((64, 48), (81, 90, 240)), ((1280, 720), (63, 102, 240))):
            with self.subTest(size=size):
                film = encoded([patch(*red, size)], "mp4", "mpeg4")

                shown = self.picture(self.decoder(film), 0).getpixel((20, 20))

                assert isinstance(shown, tuple)
                for got, wanted in zip(shown, (255, 0, 0), strict=True):
                    self.assertLess(abs(got - wanted), 10, shown)
