from twisted.trial.unittest import SynchronousTestCase

from ..window.icons import NAMES, box, disc, emblem, icon

RED, BLUE = "#FF0000", "#0000FF"
RED_PIXEL, BLUE_PIXEL = (255, 0, 0, 255), (0, 0, 255, 255)


class IconTests(SynchronousTestCase):
    def test_each_has_the_size_asked_for_and_something_on_it(self) -> None:
        for name in NAMES:
            for size in (16, 18, 27, 72):
                drawn = icon(name, RED, size)

                self.assertEqual(drawn.size, (size, size))
                self.assertGreater(max(drawn.getchannel("A").tobytes()), 200, name)

    def test_no_two_are_alike(self) -> None:
        self.assertEqual(len({icon(name, RED, 24).tobytes() for name in NAMES}), len(NAMES))

    def test_it_has_the_colour_asked_for(self) -> None:
        self.assertEqual(icon("stop", BLUE, 24).getpixel((12, 12)), BLUE_PIXEL)

    def test_its_edges_are_smooth(self) -> None:
        shades = set(icon("record", RED, 18).getchannel("A").tobytes())

        self.assertGreater(len(shades), 3)

    def test_the_emblem_is_a_white_sign_on_red(self) -> None:
        drawn = emblem(64)

        self.assertEqual(drawn.getpixel((32, 32)), (255, 255, 255, 255))
        self.assertEqual(drawn.getpixel((32, 4)), RED_PIXEL)


class BoxTests(SynchronousTestCase):
    def test_its_corners_are_round(self) -> None:
        drawn = box((20, 10), 4, RED)

        self.assertEqual(drawn.size, (20, 10))
        self.assertEqual(drawn.getpixel((10, 5)), RED_PIXEL)
        self.assertEqual(drawn.getchannel("A").getpixel((0, 0)), 0)

    def test_it_may_have_an_edge(self) -> None:
        drawn = box((20, 20), 4, RED, BLUE, 2)

        self.assertEqual(drawn.getpixel((10, 1)), BLUE_PIXEL)
        self.assertEqual(drawn.getpixel((10, 10)), RED_PIXEL)

    def test_a_disc_reaches_its_edges_and_not_its_corners(self) -> None:
        alpha = disc(RED, 12).getchannel("A")

        self.assertEqual(alpha.getpixel((6, 6)), 255)
        self.assertEqual(alpha.getpixel((0, 0)), 0)
        self.assertGreater(alpha.tobytes()[6], 200)
