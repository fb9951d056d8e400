"""The laboratory's clients against the whole server: every dialect that one server can serve."""

from collections.abc import Callable
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override

from mjpegd.laboratory import LaboratoryPacking, reduced
from mjpegd.test.conversation import (
    FILM,
    TCP,
    VIEWER,
    Client,
    LargeFilm,
    Server,
    flat,
    header,
    large_picture,
    said,
)
from mjpegd.test.fakes import FakeFilm, small_picture
from mjpegd.test.pictures import number_of, picture
from mjpegd.wire.errors import BrokenJpegError
from mjpegd.wire.lab import SILENCE_S

PORT = 25_000

# Verb, number and session to the bytes that such a client sends.
Dialect = Callable[[str, int, int], str]


def three_lines(
    transport: str, end: str = "", line_end: str = "\n", cseq: str = "CSeq: "
) -> Dialect:
    """The common form; `end` is what follows the third line."""

    def request(verb: str, number: int, session: int) -> str:
        third = transport if verb == "SETUP" else f"Session: {session}"
        return line_end.join([f"{verb} {FILM} RTSP/1.0", f"{cseq}{number}", third]) + end

    return request


def bare(verb: str, number: int, session: int) -> str:
    if verb == "SETUP":
        return f"SETUP {FILM}\n{number}\n RTSP/1.0 RTP/UDP {PORT}"
    return f"{verb} \n{number}"


def bare_with_spaces(verb: str, number: int, session: int) -> str:
    return bare(verb, number, session).replace(f"\n{number}", f"\n {number} ")


def absolute(verb: str, number: int, session: int) -> str:
    third = f"RTP/UDP; client_port= {PORT}" if verb == "SETUP" else f"Session: {session}"
    return f"{verb} rtsp://192.0.2.1:8554/{FILM} RTSP/1.0\r\nCSeq: {number}\r\n{third}\r\n"


DIALECTS = {
    "classic": three_lines(f"Transport: RTP/UDP; client_port= {PORT}"),
    "with a last line end": three_lines(f"Transport: RTP/UDP; client_port= {PORT}", "\n"),
    "without the blank": three_lines(f"Transport: RTP/UDP; client_port={PORT}"),
    "Java": three_lines(f"Transport: RTP/UDP; client_port= {PORT}", "\r\n", "\r\n"),
    "hd": three_lines(f"Transport: TCP/UDP ; client_port = {PORT}", "\n"),
    "colon": three_lines(f"Transport: RTP/UDP; client_port: {PORT}", "\n\n", cseq="Cseq: "),
    "no colon": three_lines(f"Transport: RTP/UDP; client_port= {PORT}", cseq="CSeq "),
    "standard transport": three_lines(f"Transport: RTP/AVP;unicast;client_port={PORT}", "\n"),
    "two ports": three_lines(f"Transport: RTP/AVP;unicast;client_port={PORT}-{PORT + 1}", "\n\n"),
    "bare": bare,
    "bare with spaces": bare_with_spaces,
    "absolute": absolute,
}


class Student:
    """A client that asks as its course taught it."""

    def __init__(self, server: Server, dialect: Dialect) -> None:
        self.server = server
        self.client = server.connect()
        self.session = 0
        self._dialect = dialect
        self._number = 0

    def text(self, verb: str) -> bytes:
        self._number += 1
        return self._dialect(verb, self._number, self.session).encode()

    def ask(self, verb: str) -> int:
        """Ask, wait as long as it takes to be silent, and read as these clients do."""
        self.client.send(self.text(verb))
        self.server.advance(SILENCE_S + 0.01)
        return self.status()

    def status(self) -> int:
        lines = self.client.raw().decode().split("\n")
        if [line.split(" ")[0] for line in lines] != ["RTSP/1.0", "CSeq:", "Session:", ""]:
            raise AssertionError(f"not three lines: {lines}")
        status, number, session = (int(line.split(" ")[1]) for line in lines[:3])
        if number != self._number:
            raise AssertionError(f"CSeq {number} for {self._number}")
        self.session = self.session or session
        return status if session == self.session else 0


class DialectTests(SynchronousTestCase):
    def test_every_dialect_plays_pauses_and_ends(self) -> None:
        for name, dialect in DIALECTS.items():
            server = Server()
            student = Student(server, dialect)

            self.assertEqual(student.ask("SETUP"), 200, name)
            self.assertTrue(100_000 <= student.session < 1_000_000)
            self.assertEqual(server.ports.asked, [(VIEWER, (PORT, PORT), "192.0.2.1")])
            self.assertEqual(student.ask("PLAY"), 200, name)
            server.advance(0.3)
            self.assertEqual(student.ask("PAUSE"), 200, name)
            paused = len(server.sender.trains)
            self.assertTrue(5 < paused < 12, name)
            server.advance(1)
            self.assertEqual(len(server.sender.trains), paused, name)
            self.assertEqual(student.ask("PLAY"), 200, name)
            server.advance(0.2)
            self.assertGreater(len(server.sender.trains), paused, name)
            self.assertEqual(student.ask("TEARDOWN"), 200, name)
            self.assertEqual(len(server.registry), 0, name)

    @given(
        st.sampled_from(sorted(DIALECTS)),
        st.lists(st.integers(0, 200), max_size=6),
    )
    def test_cut_anywhere_each_dialect_is_understood(self, name: str, places: list[int]) -> None:
        student = Student(Server(), DIALECTS[name])
        for verb in ("SETUP", "PLAY", "PAUSE", "TEARDOWN"):
            request = student.text(verb)
            ends = sorted({min(place, len(request)) for place in [*places, len(request)]})
            for start, end in zip([0, *ends], ends, strict=False):
                student.client.send(request[start:end])
                student.server.advance(0.03)
            student.server.advance(SILENCE_S)
            self.assertEqual(student.status(), 200, verb)

    def test_a_message_that_drips_in_with_silences_is_understood(self) -> None:
        """Where the end cannot be taken for what follows it: in the verb's line and the next."""
        for name in ("classic", "with a last line end", "hd", "colon"):
            student = Student(Server(), DIALECTS[name])
            request = student.text("SETUP")
            for byte in request[: request.index(b"port")]:
                student.client.send(bytes((byte,)))
                student.server.advance(0.1)
            student.client.send(request[request.index(b"port") :])
            student.server.advance(SILENCE_S + 0.01)
            self.assertEqual(student.status(), 200, name)

    def test_numbers_begin_at_one_and_never_go_back(self) -> None:
        server = Server(loop=True)
        student = Student(server, DIALECTS["classic"])
        student.ask("SETUP")
        student.ask("PLAY")
        server.advance(2.5)
        student.ask("PAUSE")
        student.ask("PLAY")
        student.client.send(f"PLAY {FILM} RTSP/1.0\nCSeq: 5\nRange: frame=3\n\n")
        server.advance(1)

        packets = flat(server.sender.trains)
        self.assertEqual(packets[0].sequence, 1)
        for packet, following in pairwise(packets):
            self.assertEqual(following.sequence, packet.sequence + 1)
        for packet in packets:
            self.assertEqual((packet.marker, packet.payload_type, packet.ssrc), (True, 26, 0))
            self.assertEqual((packet.payload[:2], packet.payload[-2:]), (b"\xff\xd8", b"\xff\xd9"))
        self.assertEqual(server.sender.reports, [])

    def test_seeking_by_frame_and_by_time(self) -> None:
        for line, frame in (
            ("Range: frame=10", 10),
            ("Range: npt=0.5-", 12),
            ("FRAME: 7", 7),
            ("Range: frame=9999999999", 23),
        ):
            server = Server()
            student = Student(server, DIALECTS["classic"])
            student.ask("SETUP")
            student.client.send(f"PLAY {FILM} RTSP/1.0\nCSeq: 2\n{line}\n\n")
            self.assertTrue(student.client.raw().startswith(b"RTSP/1.0 200"))
            self.assertEqual(number_of(server.sender.trains[0][0].payload), frame, line)

    def test_a_film_ends_without_a_word(self) -> None:
        server = Server()
        student = Student(server, DIALECTS["classic"])
        student.ask("SETUP")
        student.ask("PLAY")
        server.advance(5)

        self.assertEqual(len(server.sender.trains), 24)
        self.assertEqual(server.sender.reports, [])
        self.assertEqual(student.ask("PLAY"), 200)
        server.advance(1)
        self.assertEqual(flat(server.sender.trains)[-1].sequence, len(server.sender.trains))


class RefusalTests(SynchronousTestCase):
    @override
    def setUp(self) -> None:
        self.server = Server()
        self.client = self.server.connect()

    def ask(self, request: str) -> bytes:
        self.client.send(request)
        self.server.advance(SILENCE_S + 0.01)
        return self.client.raw()

    def test_an_unknown_file_is_404_in_three_lines(self) -> None:
        self.assertEqual(
            self.ask(
                "SETUP nothing.Mjpeg RTSP/1.0\nCSeq: 1\nTransport: RTP/UDP; client_port= 25000"
            ),
            b"RTSP/1.0 404 Not Found\nCSeq: 1\nSession: 0\n",
        )

    def test_what_is_no_film_is_404(self) -> None:
        answer = self.ask("SETUP live RTSP/1.0\nCSeq: 1\nTransport: RTP/UDP; client_port= 25000")

        self.assertTrue(answer.startswith(b"RTSP/1.0 404 "))

    def test_an_unknown_verb_is_501(self) -> None:
        for verb in ("LOAD all video", "SETUPMOVIE", "GETLIST /", "CONNECT", "SWITCH x", "DANCE"):
            answer = self.ask(f"{verb} RTSP/1.0\nCSeq: 3\nSession: 1\n\n")
            self.assertEqual(answer, b"RTSP/1.0 501 Not Implemented\nCSeq: 3\nSession: 0\n", verb)

    def test_a_verb_before_setup_is_455(self) -> None:
        for verb in ("PLAY", "PAUSE", "TEARDOWN"):
            answer = self.ask(f"{verb} {FILM} RTSP/1.0\nCSeq: 3\nSession: 123456")
            self.assertTrue(answer.startswith(b"RTSP/1.0 455 "), answer)

    def test_setup_without_a_port_is_461(self) -> None:
        answer = self.ask(f"SETUP {FILM} RTSP/1.0\nCSeq: 1\nTransport: RTP/UDP\n\n")

        self.assertTrue(answer.startswith(b"RTSP/1.0 461 "), answer)

    def test_media_goes_to_no_service_of_a_system(self) -> None:
        for port in (1, 53, 1023):
            transport = f"Transport: RTP/UDP; client_port= {port}"
            answer = self.ask(f"SETUP {FILM} RTSP/1.0\nCSeq: 1\n{transport}\n\n")
            self.assertTrue(answer.startswith(b"RTSP/1.0 461 "), answer)
        self.assertEqual(self.server.ports.asked, [])

    def test_setup_while_playing_is_455(self) -> None:
        student = Student(self.server, DIALECTS["classic"])
        student.ask("SETUP")
        student.ask("PLAY")

        self.assertEqual(student.ask("SETUP"), 455)

    def test_a_session_is_good_on_its_own_connection_only(self) -> None:
        student = Student(self.server, DIALECTS["classic"])
        student.ask("SETUP")

        answer = self.ask(f"PLAY {FILM} RTSP/1.0\nCSeq: 2\nSession: {student.session}")
        self.assertTrue(answer.startswith(b"RTSP/1.0 455 "), answer)
        other = self.server.connect()
        other.session = str(student.session)
        self.assertEqual(other.ask("GET_PARAMETER").status, 454)

    def test_a_wrong_session_is_454(self) -> None:
        student = Student(self.server, DIALECTS["classic"])
        student.ask("SETUP")
        student.client.send(f"PLAY {FILM} RTSP/1.0\nCSeq: 2\nSession: 5\n\n")

        self.assertTrue(student.client.raw().startswith(b"RTSP/1.0 454 "))

    def test_describe_is_answered_for_the_java_client(self) -> None:
        answer = self.ask(f"DESCRIBE {FILM} RTSP/1.0\r\nCSeq: 1\r\nAccept: application/sdp\r\n")

        self.assertEqual(len(answer.splitlines()), 9)

    def test_a_film_that_cannot_be_opened_breaks_nothing(self) -> None:
        self.server.shelf.films["broken"] = FakeFilm(3, broken=range(3))
        answer = self.ask("SETUP broken RTSP/1.0\nCSeq: 1\nTransport: RTP/UDP; client_port= 25000")
        self.assertTrue(answer.startswith(b"RTSP/1.0 200 "), answer)
        self.ask("PLAY broken RTSP/1.0\nCSeq: 2\n\n")
        self.server.advance(2)

        self.assertEqual(self.server.sender.trains, [])


class ConnectionTests(SynchronousTestCase):
    @override
    def setUp(self) -> None:
        self.server = Server(loop=True)
        self.student = Student(self.server, DIALECTS["classic"])

    def test_closing_the_connection_ends_the_session(self) -> None:
        self.student.ask("SETUP")
        self.student.ask("PLAY")

        with capturedLogs() as events:
            self.student.client.close()

        self.assertEqual(len(self.server.registry), 0)
        self.assertIn(str(self.student.session), said(events)[-1])

    def test_a_session_lives_as_long_as_its_connection(self) -> None:
        self.student.ask("SETUP")
        self.student.ask("PLAY")

        self.server.advance(7200, step_s=5)

        self.assertEqual(self.student.ask("PAUSE"), 200)

    def test_a_connection_without_a_session_is_closed(self) -> None:
        self.student.ask("SETUP")
        self.student.ask("TEARDOWN")

        self.server.advance(130, step_s=1)

        self.assertTrue(self.student.client.wire.is_closed)

    def test_a_client_that_goes_while_its_film_is_opened_leaves_no_session(self) -> None:
        self.server.shelf.opening = Deferred()
        self.student.client.send(self.student.text("SETUP"))
        self.server.advance(0.1)
        self.student.client.close()

        self.server.shelf.opening.callback(None)

        self.assertEqual(len(self.server.registry), 0)

    def test_an_incomplete_message_is_ended_by_the_next_verb(self) -> None:
        self.student.ask("SETUP")
        self.student.client.send(f"PLAY {FILM} RTSP/1.0\n")
        self.server.advance(1)
        self.assertEqual(self.student.client.raw(), b"")
        self.student.client.send(f"PAUSE {FILM} RTSP/1.0\nCSeq: 3\nSession: {self.student.session}")
        self.server.advance(0.1)

        statuses = self.student.client.raw().split(b"\n")[0::3]
        self.assertEqual(statuses, [b"RTSP/1.0 200 OK", b"RTSP/1.0 200 OK", b""])

    def test_the_next_verb_may_come_in_pieces(self) -> None:
        self.student.ask("SETUP")
        self.student.client.send(f"PLAY {FILM} RTSP/1.0\nPAU")
        self.server.advance(0.1)
        self.student.client.send(f"SE {FILM} RTSP/1.0\n\n")

        self.assertEqual(self.student.client.raw().count(b"200 OK"), 2)

    def test_a_silence_within_a_number_does_not_cut_it(self) -> None:
        self.student.client.send(f"SETUP {FILM}\n1")
        self.server.advance(0.1)
        self.student.client.send(f"2\n RTSP/1.0 RTP/UDP {PORT}")
        self.server.advance(0.1)

        self.assertTrue(self.student.client.raw().startswith(b"RTSP/1.0 200 OK\nCSeq: 12\n"))

    def test_a_message_of_one_line_is_ended_by_an_empty_one(self) -> None:
        self.student.client.send(f"DESCRIBE {FILM} RTSP/1.0\n\n")

        self.assertTrue(self.student.client.raw().startswith(b"RTSP/1.0 200 OK\nCSeq: 0\n"))

    def test_lines_without_a_verb_are_passed_over(self) -> None:
        self.student.ask("SETUP")
        self.student.client.send("123 456\n\n")
        self.assertEqual(self.student.client.raw(), b"")

        self.assertEqual(self.student.ask("PLAY"), 200)

    def test_an_error_of_ours_is_500(self) -> None:
        opening = self.server.shelf.opening = Deferred()
        self.student.client.send(self.student.text("SETUP"))
        self.server.advance(0.1)
        opening.errback(ZeroDivisionError())

        self.assertEqual(self.student.status(), 500)
        self.flushLoggedErrors(ZeroDivisionError)

    def test_a_message_that_stays_incomplete_is_answered_all_the_same(self) -> None:
        for message, status in [
            (f"SETUP {FILM} RTSP/1.0\nCSeq: 7\nTransport: RTP/UDP; client_port= 70000", 461),
            (f"SETUP {FILM} RTSP/1.0\nCSeq: 7\nTransport: RTP/UDP", 461),
            (f"PLAY {FILM} RTSP/1.0\nCSeq: 7", 455),
            ("LOAD all video RTSP/1.0\nCSeq: 7\n", 501),
        ]:
            client = self.server.connect()
            client.send(message)
            self.server.advance(1)
            self.assertEqual(client.wire.received, b"")
            self.server.advance(2)

            lines = client.wire.received.decode().split("\n")
            self.assertEqual(lines[0].split()[1], str(status), message)
            self.assertEqual(lines[1:], ["CSeq: 7", "Session: 0", ""])

    def test_a_seek_goes_by_the_times_of_the_film(self) -> None:
        self.server.shelf.films[FILM] = FakeFilm(seconds=[0, 0.1, 0.2, 3.0, 3.1, 3.2])
        self.student.ask("SETUP")
        self.student.client.send(
            f"PLAY {FILM} RTSP/1.0\nCSeq: 5\nSession: {self.student.session}\nRange: frame=4\n\n"
        )
        self.server.advance(0.05)

        [packet] = [packet for train in self.server.sender.trains[:1] for packet in train]
        self.assertEqual(number_of(packet.payload), 4)

    def test_a_slow_writer_is_ended_though_it_is_never_silent(self) -> None:
        self.student.ask("SETUP")
        for byte in f"PLAY {FILM} RTSP/1.0 {'x' * 1000}".encode():
            self.student.client.send(bytes((byte,)))
            self.server.advance(0.04)

        self.assertTrue(self.student.client.wire.is_closed)

    def test_time_between_messages_is_not_limited(self) -> None:
        for _ in range(3):
            self.student.ask("SETUP")
            self.server.advance(100, step_s=0.5)
            self.student.client.send("\n\r\n")
            self.server.advance(100, step_s=0.5)

        self.assertFalse(self.student.client.wire.is_half_closed)

    def test_a_message_of_endless_lines_is_refused(self) -> None:
        self.student.ask("SETUP")
        self.student.client.send("x: y\n" * 1000)

        self.assertTrue(self.student.client.wire.is_half_closed)

    def test_many_empty_lines_cost_nothing(self) -> None:
        self.student.ask("SETUP")
        self.student.client.send("\n" * 60_000 + f"PLAY {FILM} RTSP/1.0\nCSeq: 2\n\n")

        self.assertTrue(self.student.client.raw().startswith(b"RTSP/1.0 200"))

    def test_pipelined_messages_are_answered_in_order(self) -> None:
        opening: Deferred[None] = Deferred()
        self.server.shelf.opening = opening
        verbs = ["SETUP", "PLAY", "PAUSE", "PLAY", "TEARDOWN"]
        self.student.client.send(
            "".join(
                f"{verb} {FILM} RTSP/1.0\nCSeq: {number}\nTransport: RTP/UDP; client_port= 25000\n"
                for number, verb in enumerate(verbs, 1)
            )
            + "\n"
        )
        self.server.advance(1)
        self.assertEqual(self.student.client.raw(), b"")
        opening.callback(None)
        self.server.advance(1)

        answers = self.student.client.raw().decode().split("\n")
        self.assertEqual(answers[0::3], ["RTSP/1.0 200 OK"] * 5 + [""])
        self.assertEqual(answers[1::3], [f"CSeq: {number}" for number in range(1, 6)])

    def test_messages_above_the_rate_are_only_slowed(self) -> None:
        message = f"PAUSE {FILM} RTSP/1.0\nCSeq: 1\n\n"
        self.student.ask("SETUP")
        self.student.client.send(message * 400)
        self.assertLess(self.student.client.raw().count(b"200 OK"), 250)
        self.server.advance(5)

        self.assertTrue(self.student.client.raw().endswith(b"\n"))
        self.assertEqual(self.student.ask("PAUSE"), 200)

    def test_other_viewers_are_not_affected(self) -> None:
        viewer = self.server.connect()
        viewer.play(TCP)
        self.student.ask("SETUP")
        self.student.ask("PLAY")
        self.student.client.send(b"\xff\x00 nonsense\n")
        self.student.client.close()
        self.server.advance(1)

        self.assertGreaterEqual(len(viewer.packets()), 24)
        self.assertEqual(viewer.ask("TEARDOWN").status, 200)


class BareNameTests(SynchronousTestCase):
    """A bare name that ends in CRLF CRLF is RTSP."""

    def answered(self, request: str) -> Client:
        client = Server().connect()
        client.send(request.replace("\n", "\r\n"))
        self.assertEqual(len(client.responses()), 1)
        return client

    def test_it_gets_a_full_answer(self) -> None:
        for request, status in (
            (f"DESCRIBE {FILM} RTSP/1.0\nCSeq: 1\n\n", 200),
            (f"DESCRIBE /{FILM} RTSP/1.0\nCSeq: 1\n\n", 200),
            (f"SETUP {FILM} RTSP/1.0\nCSeq: 1\nTransport: RTP/AVP;client_port=5000-5001\n\n", 200),
            ("DESCRIBE nothing RTSP/1.0\nCSeq: 1\n\n", 404),
            (f"DESCRIBE {FILM} RTSP/1.0\nCSeq: x\n\n", 400),
            (f"DESCRIBE {FILM} RTSP/1.0\n\n", 400),
            ("DESCRIBE  RTSP/1.0\nCSeq: 1\n\n", 400),
            ("DESCRIBE RTSP/1.0\nCSeq: 1\n\n", 400),
        ):
            [answer] = self.answered(request).responses()
            self.assertEqual(answer.status, status, request)
            self.assertIn("Date", answer.headers)

    def test_its_description_has_absolute_urls(self) -> None:
        [answer] = self.answered(f"DESCRIBE {FILM} RTSP/1.0\nCSeq: 1\n\n").responses()

        self.assertEqual(header(answer, "Content-Base"), f"rtsp://192.0.2.1:8554/{FILM}/")


class PackingTests(SynchronousTestCase):
    def test_a_frame_that_fits_goes_as_it_is(self) -> None:
        train = LaboratoryPacking(20_480).pack(small_picture(3) + b"garbage")

        self.assertEqual(train.stamp(0, 0, 0).buffer[12:], small_picture(3))
        self.assertEqual(train.packet_count, 1)

    def test_a_frame_above_the_limit_is_made_smaller(self) -> None:
        for most in (15_000, 20_480):
            packing = LaboratoryPacking(most)
            normal = packing.normalise(large_picture(9, (1600, 1200)), None)
            train = packing.pack(normal.picture)
            self.assertLessEqual(train.size_bytes, most)
            self.assertEqual(number_of(bytes(train.stamp(0, 0, 0).buffer[12:])), 9)

    def test_clients_with_crlf_get_smaller_frames(self) -> None:
        server = Server(film=LargeFilm(size=(1280, 960)))
        student = Student(server, DIALECTS["Java"])
        student.ask("SETUP")
        student.ask("PLAY")
        server.advance(0.5)

        sizes = [len(packet.payload) + 12 for packet in flat(server.sender.trains)]
        self.assertTrue(sizes)
        self.assertLessEqual(max(sizes), 15_000)

    def test_what_cannot_be_decoded_or_made_that_small_is_broken(self) -> None:
        whole = picture(5, (640, 480))
        for broken in (whole[:300], whole[:-2000] + b"\xff\xd9", b"", b"\xff\xd8\xff\xd9"):
            self.assertRaises(BrokenJpegError, reduced, broken, 100)
        self.assertRaises(BrokenJpegError, reduced, whole, 100)

    def test_too_many_pixels_are_not_decoded(self) -> None:
        small = picture(5, (64, 48))
        at = small.index(b"\xff\xc0") + 5
        huge = small[:at] + b"\xff\xff\xff\xff" + small[at + 4 :]

        self.assertRaises(BrokenJpegError, reduced, huge, 100)

    def test_any_mode_is_made_smaller(self) -> None:
        for mode in ("L", "RGB", "CMYK"):
            smaller = reduced(picture(5, (1280, 960), mode=mode), 15_000)
            self.assertLessEqual(len(smaller), 15_000)
