from PIL import Image
from twisted.trial.unittest import SynchronousTestCase

from ..window.palette import FIELD
from ..window.plots import Point, plot

RED = "#FF0000"
SIZE = (120, 40)


def is_like(pixel: object, colour: str) -> bool:
    wanted = bytes.fromhex(colour[1:])
    return isinstance(pixel, tuple) and all(
        abs(a - b) < 70 for a, b in zip(pixel, wanted, strict=True)
    )


def drawn(points: list[Point], top: float = 10.0, aim: list[Point] | None = None) -> Image.Image:
    return plot(SIZE, points, top, RED, aim or [])


def steady(value: float, oldest_s: int = 60, newest_s: int = 0) -> list[Point]:
    """A measurement each second that is always the same."""
    return [(float(age_s), value) for age_s in range(oldest_s, newest_s - 1, -1)]


def height_of_line(image: Image.Image, x: int) -> int | None:
    """Pixels from the lower edge; None where there is no line."""
    for y in range(image.height):
        if is_like(image.getpixel((x, y)), RED):
            return image.height - y
    return None


class PlotTests(SynchronousTestCase):
    def assert_line_at(self, height: int, image: Image.Image) -> None:
        self.assertIn(height_of_line(image, 61), range(height - 1, height + 2))

    def test_it_has_the_size_asked_for(self) -> None:
        self.assertEqual(drawn([]).size, SIZE)

    def test_a_value_is_as_high_as_its_share_of_the_axis(self) -> None:
        image = drawn(steady(5.0))

        self.assert_line_at(20, image)

    def test_zero_and_the_top_are_seen(self) -> None:
        for value, height in ((0.0, 1), (10.0, 40)):
            image = drawn(steady(value))

            self.assert_line_at(height, image)

    def test_beyond_the_axis_is_at_its_end(self) -> None:
        image = drawn(steady(99.0))

        self.assert_line_at(40, image)

    def test_now_is_at_the_right(self) -> None:
        image = drawn(steady(5.0, 20, 18))

        self.assertIsNotNone(height_of_line(image, 82))
        self.assertIsNone(height_of_line(image, 60))
        self.assertIsNone(height_of_line(image, 110))

    def test_where_nothing_was_measured_is_a_gap(self) -> None:
        image = drawn(steady(5.0, 60, 58) + steady(5.0, 10, 8))

        self.assertIsNotNone(height_of_line(image, 2))
        self.assertIsNone(height_of_line(image, 50))
        self.assertIsNotNone(height_of_line(image, 102))

    def test_a_single_point_is_no_line(self) -> None:
        image = drawn([(30.0, 5.0), (10.0, 5.0), (9.0, 5.0)])

        self.assertIsNone(height_of_line(image, 60))

    def test_what_a_value_should_be_is_drawn_too(self) -> None:
        plain = drawn(steady(1.0))

        aimed = drawn(steady(1.0), aim=steady(8.0))

        self.assertNotEqual(plain.getpixel((61, 8)), aimed.getpixel((61, 8)))

    def test_the_ground_is_dark(self) -> None:
        self.assertTrue(is_like(drawn([]).getpixel((3, 3)), FIELD))
