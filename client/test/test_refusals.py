from twisted.trial.unittest import SynchronousTestCase

from mjpegd.wire.messages import REASONS, Headers, Response

from ..talk.refusals import refusal

URL = "rtsp://camera/clip"


def sentence(response: Response) -> str:
    return str(refusal("camera", "PLAY", URL, response))


class RefusalTests(SynchronousTestCase):
    def test_method_and_status_are_kept(self) -> None:
        error = refusal("camera", "PLAY", URL, Response(457))

        self.assertEqual((error.method, error.status), ("PLAY", 457))

    def test_every_status_is_a_sentence(self) -> None:
        for status in [*REASONS, 499, 599]:
            text = sentence(Response(status))
            self.assertRegex(text, r"(?s)camera.*[.?]\Z")
            self.assertNotIn("{", text)

    def test_a_missing_stream_is_named(self) -> None:
        self.assertIn(f"camera has no stream {URL}", sentence(Response(404)))

    def test_an_unusual_status_is_told_as_it_came(self) -> None:
        self.assertEqual(
            sentence(Response(414)), "camera answered PLAY with 414 Request-URI Too Large."
        )

    def test_words_of_the_servers_own_are_repeated(self) -> None:
        text = sentence(Response(503, reason="Only two viewers"))

        self.assertTrue(text.endswith('It says: "Only two viewers"'))

    def test_a_text_of_the_servers_own_is_repeated(self) -> None:
        headers = Headers([("Content-Type", "text/plain; charset=utf-8")])

        text = sentence(Response(403, headers, b"Ask Anna.\r\nOr Bob."))

        self.assertTrue(text.endswith('It says: "Ask Anna."'))

    def test_other_bodies_are_not(self) -> None:
        text = sentence(Response(403, Headers([("Content-Type", "text/html")]), b"<html>"))

        self.assertNotIn("It says", text)
