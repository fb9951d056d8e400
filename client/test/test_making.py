"""Tests of `client.making`."""

from twisted.trial.unittest import SynchronousTestCase

from ..errors import LocationError
from ..making import locate
from ..options import Settings

URL = "rtsp://camera/front"


class LocateTests(SynchronousTestCase):
    def test_the_login_of_the_command_line_is_for_its_host(self) -> None:
        settings = Settings(url=URL, user="anna", password="secret")

        for text, user in ((URL, "anna"), ("rtsp://camera/back", "anna"), ("rtsp://other/", "")):
            self.assertEqual(locate(settings, text).user, user)

    def test_a_login_in_the_address_comes_first(self) -> None:
        settings = Settings(url=URL, user="anna", password="secret")

        location = locate(settings, "rtsp://otto:otter@camera/front")

        self.assertEqual((location.user, location.password), ("otto", "otter"))

    def test_without_a_stream_on_the_command_line_nobody_is_known(self) -> None:
        location = locate(Settings(user="anna"), URL)

        self.assertEqual(location.user, "")

    def test_what_is_no_address(self) -> None:
        self.assertRaises(LocationError, locate, Settings(), "http://camera/")

    def test_a_slip_on_the_command_line_is_no_reason_to_refuse_what_is_typed_afterwards(
        self,
    ) -> None:
        self.assertEqual(locate(Settings(url="http://camera/", user="anna"), URL).user, "")
