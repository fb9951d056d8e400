from twisted.trial.unittest import SynchronousTestCase

from ..window.wording import (
    UNKNOWN,
    count_text,
    fine_time_text,
    milliseconds_text,
    name_in,
    percent_text,
    speed_text,
    time_text,
    times_text,
    window_title,
)


class TimeTests(SynchronousTestCase):
    def test_a_media_time(self) -> None:
        times = [time_text(seconds) for seconds in (0.0, 3.99, 754.0, 3723.0)]

        self.assertEqual(times, ["0:00", "0:03", "12:34", "1:02:03"])

    def test_before_the_begin_is_the_begin(self) -> None:
        self.assertEqual(time_text(-0.04), "0:00")

    def test_a_time_that_cannot_be_told_is_a_dash(self) -> None:
        self.assertEqual(time_text(None), UNKNOWN)

    def test_a_film_has_a_length(self) -> None:
        self.assertEqual(times_text(3.0, 10.0), "0:03 / 0:10")

    def test_a_live_picture_has_none(self) -> None:
        self.assertEqual(times_text(3.0, None), "0:03")

    def test_tenths(self) -> None:
        times = [fine_time_text(seconds) for seconds in (3.2, 4.1, 59.99, -1.0)]

        self.assertEqual(times, ["0:03.2", "0:04.1", "0:59.9", "0:00.0"])


class FigureTests(SynchronousTestCase):
    def test_speeds(self) -> None:
        self.assertEqual([speed_text(scale) for scale in (1.0, 0.5, -2.0)], ["1x", "0.5x", "-2x"])

    def test_thousands_stand_apart(self) -> None:
        self.assertEqual(count_text(12345.6), "12,346")

    def test_short_times_have_a_tenth(self) -> None:
        times = [milliseconds_text(value_ms) for value_ms in (1.24, 9.96, 41.3, None)]

        self.assertEqual(times, ["1.2 ms", "10 ms", "41 ms", UNKNOWN])

    def test_small_shares_have_a_tenth(self) -> None:
        shares = [percent_text(percent) for percent in (0.0, 0.049, 0.05, 0.42, 9.97, 100.0)]

        self.assertEqual(shares, ["0 %", "<0.1 %", "0.1 %", "0.4 %", "10 %", "100 %"])


class NameTests(SynchronousTestCase):
    def test_the_title_names_the_url(self) -> None:
        self.assertEqual(
            window_title("rtsp://host/film.avi"), "mjpegd player - rtsp://host/film.avi"
        )

    def test_the_title_of_a_stream_is_told_where_its_url_does_not_tell_it(self) -> None:
        self.assertEqual(
            window_title("rtsp://host/ch0", "Front door"),
            "mjpegd player - rtsp://host/ch0 - Front door",
        )
        self.assertEqual(
            window_title("rtsp://host/my%20film.avi", "my film"),
            "mjpegd player - rtsp://host/my%20film.avi",
        )

    def test_without_a_url_it_names_the_player(self) -> None:
        self.assertEqual(window_title(""), "mjpegd player")

    def test_the_name_of_a_stream(self) -> None:
        urls = "rtsp://host/a/my%20film.avi", "rtsp://host/camera/", "rtsp://host", ""

        self.assertEqual([name_in(url) for url in urls], ["my film", "camera", "", ""])
