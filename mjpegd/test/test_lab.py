from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mjpegd.wire.errors import ParseError
from mjpegd.wire.lab import (
    MAX_ANSWER_BYTES,
    MAX_LINES,
    Dialect,
    End,
    LabAnswer,
    LabRequest,
    answer,
    description,
    dialect,
    is_complete,
    is_request_line,
)

MOVIE = "movie.Mjpeg"

# What clients send, and what it means. The first two forms are those of the exercise.
REQUESTS: tuple[tuple[bytes, LabRequest], ...] = (
    (
        b"SETUP movie.Mjpeg RTSP/1.0\nCSeq: 1\nTransport: RTP/UDP; client_port= 25000",
        LabRequest("SETUP", MOVIE, 1, client_port=25_000),
    ),
    (
        b"PLAY movie.Mjpeg RTSP/1.0\nCSeq: 2\nSession: 123456",
        LabRequest("PLAY", MOVIE, 2, session=123_456),
    ),
    (
        b"SETUP movie.Mjpeg RTSP/1.0\r\nCSeq: 1\r\nTransport: RTP/UDP; client_port= 25000\r\n",
        LabRequest("SETUP", MOVIE, 1, client_port=25_000, line_end="\r\n"),
    ),
    (
        b"DESCRIBE movie.Mjpeg RTSP/1.0\r\nCSeq: 3\r\nAccept: application/sdp\r\n",
        LabRequest("DESCRIBE", MOVIE, 3, line_end="\r\n"),
    ),
    (
        b"SETUP movie_hd.mjpeg RTSP/1.0\nCSeq: 1\nTransport: TCP/UDP ; client_port = 25000\n",
        LabRequest("SETUP", "movie_hd.mjpeg", 1, client_port=25_000),
    ),
    (
        b"SETUP movie.Mjpeg RTSP/1.0\nCseq: 1\nTransport: RTP/UDP; client_port: 25000\n\n",
        LabRequest("SETUP", MOVIE, 1, client_port=25_000),
    ),
    (
        b"PLAY movie.Mjpeg RTSP/1.0\nCseq: 2\nSession: 123456\nRange: frame=77\n\n",
        LabRequest("PLAY", MOVIE, 2, session=123_456, seek_frame=77),
    ),
    (
        b"PLAY movie.Mjpeg RTSP/1.0\nCSeq: 2\nSession: 123456\nRange: npt=2.5-\nStep: 1",
        LabRequest("PLAY", MOVIE, 2, session=123_456, seek_s=2.5),
    ),
    (
        b"SETTIME movie.Mjpeg RTSP/1.0\nCSeq: 4\nSession: 123456\nFRAME: 12",
        LabRequest("SETTIME", MOVIE, 4, session=123_456, seek_frame=12),
    ),
    (
        b"SWITCH other.Mjpeg RTSP/1.0\nCSeq: 5\nTransport: RTP/UDP; client_port= 9\nClientFrame: 8",
        LabRequest("SWITCH", "other.Mjpeg", 5, client_port=9, seek_frame=8),
    ),
    (
        b"SETUP movie.Mjpeg\n1\n RTSP/1.0 RTP/UDP 8006",
        LabRequest("SETUP", MOVIE, 1, client_port=8006),
    ),
    (b"PLAY \n2", LabRequest("PLAY", "", 2)),
    (b"PAUSE \n 3 ", LabRequest("PAUSE", "", 3)),
    (b"SETUP movie.Mjpeg\n1\n8006", LabRequest("SETUP", MOVIE, 1, client_port=8006)),
    (
        b"SETUP movie.Mjpeg RTSP/1.0\nCSeq 1\nTransport: RTP/UDP 8006-8007",
        LabRequest("SETUP", MOVIE, 1, client_port=8006),
    ),
    (
        b"SETUP rtsp://10.0.0.1:8554/my%20movie.Mjpeg RTSP/1.0\r\nCSeq: 1\r\n"
        b"RTP/UDP; client_port= 25000",
        LabRequest("SETUP", "my movie.Mjpeg", 1, client_port=25_000, line_end="\r\n"),
    ),
    (
        b"SETUP movie.Mjpeg RTSP/1.0\nCSeq: 1\nTransport: RTP/AVP;unicast;client_port=5000-5001",
        LabRequest("SETUP", MOVIE, 1, client_port=5000),
    ),
    (
        b"SETUP movie.Mjpeg RTSP/1.0\nTransport: RTP/UDP; client_port= 25000\nCSeq: 6",
        LabRequest("SETUP", MOVIE, 6, client_port=25_000),
    ),
    (
        b"CONNECT RTSP/1.0\nCSeq: 1\nTransport: RTP/UDP; client_port= 25000",
        LabRequest("CONNECT", "", 1, client_port=25_000),
    ),
    (b"LOAD all video\n1", LabRequest("LOAD", "all video", 1)),
    (
        "PLAY zażółć видео.Mjpeg RTSP/1.0\nCSeq: 2\nSession: 123456".encode(),
        LabRequest("PLAY", "zażółć видео.Mjpeg", 2, session=123_456),
    ),
    (b"setup movie.Mjpeg rtsp/1.0", LabRequest("SETUP", MOVIE)),
)

# What means something only in part: the rest is as if it were not there.
LENIENT: tuple[tuple[bytes, LabRequest], ...] = (
    (b"TEARDOWN", LabRequest("TEARDOWN")),
    (b"\n \nPLAY a\n\n2\n", LabRequest("PLAY", "a", 2)),
    (b"PLAY a\nSession: 123456", LabRequest("PLAY", "a", session=123_456)),
    (b"PLAY a\nCSeq: x\nSession: abc", LabRequest("PLAY", "a")),
    (b"PLAY a\nCSeq: 12345678901\nSession: 12345678901", LabRequest("PLAY", "a")),
    (b"PLAY a\nCSeq: \xd9\xa1\xd9\xa2", LabRequest("PLAY", "a")),
    (b"SETUP a\n1\nTransport: RTP/UDP; client_port= ", LabRequest("SETUP", "a", 1)),
    (b"SETUP a\n1\nTransport: RTP/UDP; client_port= 65536", LabRequest("SETUP", "a", 1)),
    (b"SETUP a\n1\nTransport: RTP/UDP; client_port= 0", LabRequest("SETUP", "a", 1)),
    (b"SETUP a\n1\n RTSP/1.0 RTP/UDP", LabRequest("SETUP", "a", 1)),
    (
        b"SETUP a\n1\nTransport: RTP/UDP; client_port= 25000; ttl=127",
        LabRequest("SETUP", "a", 1, client_port=25_000),
    ),
    (b"PLAY a\n1\nSession: 111111\nSession: 222222", LabRequest("PLAY", "a", 1, session=111_111)),
    (b"SETUP a\n1\nSession: 8006", LabRequest("SETUP", "a", 1, session=8006)),
    (b"PLAY a\n1\nRange: smpte=0:10-", LabRequest("PLAY", "a", 1)),
    (b"PLAY a\n1\nRange: npt=12345678901-", LabRequest("PLAY", "a", 1)),
    (b"PLAY a\n1\nRange: FRAME: 5", LabRequest("PLAY", "a", 1, seek_frame=5)),
    (b"SETUP rtsp://host RTSP/1.0\n1", LabRequest("SETUP", "", 1)),
    (b"PLAY a" + b"\nx" * MAX_LINES + b"\nSession: 123456", LabRequest("PLAY", "a")),
)

LINES = st.lists(
    st.one_of(
        st.binary(max_size=40),
        st.sampled_from([line for data, _ in REQUESTS for line in data.split(b"\n")]),
        st.text(" :=;/-.019RTPSUDclient_portframeSessionnptRange", max_size=40).map(str.encode),
    ),
    min_size=1,
    max_size=6,
)


class LabRequestTests(SynchronousTestCase):
    def test_every_known_form_is_read(self) -> None:
        for data, request in REQUESTS + LENIENT:
            self.assertEqual(LabRequest.parse(data.split(b"\n")), request, data)

    def test_a_message_without_a_verb_is_refused(self) -> None:
        for data in (b"", b"\n\n", b"1\n2\n3", b"CSeq: 1", b"\xff\xfe", b"$\0\0\4abcd"):
            error = self.assertRaises(ParseError, LabRequest.parse, data.split(b"\n"))
            self.assertEqual(error.rule, "verb")
        self.assertRaises(ParseError, LabRequest.parse, [])

    def test_a_name_that_is_no_utf_8_survives(self) -> None:
        request = LabRequest.parse([b"SETUP \xff\xfe.Mjpeg RTSP/1.0"])

        self.assertEqual(request.name.encode("utf-8", "surrogateescape"), b"\xff\xfe.Mjpeg")

    def test_only_a_uri_is_percent_encoded(self) -> None:
        self.assertEqual(LabRequest.parse([b"SETUP 100%25.Mjpeg RTSP/1.0"]).name, "100%25.Mjpeg")

    @given(LINES)
    def test_any_lines_are_a_request_or_refused(self, lines: list[bytes]) -> None:
        try:
            request = LabRequest.parse(lines)
        except ParseError:
            self.assertFalse(is_complete(lines))
            return
        self.assertTrue(request.client_port is None or 0 < request.client_port < 0x10000)
        self.assertTrue(0 <= request.cseq < 10**10)

    def test_long_lines_are_read_in_linear_time(self) -> None:
        for line in (
            b" ",
            b"\t ",
            b"0",
            b"client_port",
            b"frame ",
            b"npt=",
            b"RTSP/1.",
            b"RTP/UDP-",
        ):
            many = line * (200_000 // len(line))
            lines = [
                b"PLAY " + many,
                b"CSeq" + many,
                b"Session" + many,
                b"Range: npt" + many + b"x",
                b"Transport" + many + b"x",
            ]

            self.assertEqual(LabRequest.parse(lines).verb, "PLAY")
            dialect([b"SETUP rtsp://a", *lines], End.SILENCE)


# What a client of the exercise sends, with the line end that servers which read by line wait for.
WRITTEN: tuple[tuple[LabRequest, bytes], ...] = (
    (
        LabRequest("SETUP", MOVIE, 1, client_port=25_000),
        b"SETUP movie.Mjpeg RTSP/1.0\nCSeq: 1\nTransport: RTP/UDP; client_port= 25000\n",
    ),
    (
        LabRequest("TEARDOWN", MOVIE, 4, session=123_456),
        b"TEARDOWN movie.Mjpeg RTSP/1.0\nCSeq: 4\nSession: 123456\n",
    ),
    (
        LabRequest("PLAY", MOVIE, 2, session=0, seek_s=2.5),
        b"PLAY movie.Mjpeg RTSP/1.0\nCSeq: 2\nSession: 0\nRange: npt=2.500-\n",
    ),
    (
        LabRequest("PLAY", MOVIE, 2, session=123_456, seek_frame=0, line_end="\r\n"),
        b"PLAY movie.Mjpeg RTSP/1.0\r\nCSeq: 2\r\nSession: 123456\r\nRange: frame=0\r\n",
    ),
    (LabRequest("CONNECT", cseq=1), b"CONNECT RTSP/1.0\nCSeq: 1\n"),
    (LabRequest("PLAY", "a\udcffb"), b"PLAY a\xffb RTSP/1.0\nCSeq: 0\n"),
)

NAMES = st.text(st.characters(exclude_categories=["Cc", "Cs"]) | st.just("\udcff"), max_size=20)


def requests() -> st.SearchStrategy[LabRequest]:
    return st.builds(
        LabRequest,
        st.sampled_from(["SETUP", "PLAY", "PAUSE", "TEARDOWN", "CONNECT"]),
        NAMES.map(str.strip).filter(lambda name: "://" not in name),
        st.integers(0, 10**10 - 1),
        st.none() | st.integers(1, 65_535),
        st.none() | st.integers(0, 10**10 - 1),
        line_end=st.sampled_from(["\n", "\r\n"]),
    )


class WritingTests(SynchronousTestCase):
    def test_classic_servers_get_what_they_know(self) -> None:
        for request, data in WRITTEN:
            self.assertEqual(request.to_bytes(), data)

    def test_python_servers_find_their_words(self) -> None:
        lines = WRITTEN[0][1].decode().split("\n")

        self.assertEqual(lines[0].split(" ")[1], MOVIE)
        self.assertEqual(lines[1].split(" ")[1], "1")
        self.assertEqual(lines[2].split(" ")[3], "25000")

    def test_a_name_cannot_add_lines(self) -> None:
        for name in ("a\nb", "a\rb"):
            self.assertRaises(ValueError, LabRequest("PLAY", name).to_bytes)

    @given(requests(), st.none() | st.integers(0, 10**9), st.none() | st.integers(0, 10**9))
    def test_parse_reads_what_to_bytes_writes(
        self, request: LabRequest, seek_frame: int | None, seek_ms: int | None
    ) -> None:
        seek_s = None if seek_ms is None or seek_frame is not None else seek_ms / 1000
        request = replace(request, seek_frame=seek_frame, seek_s=seek_s)

        self.assertEqual(LabRequest.parse(request.to_bytes().split(b"\n")), request)


class CompleteTests(SynchronousTestCase):
    def test_known_requests_are_complete_in_their_last_line_only(self) -> None:
        for data, request in REQUESTS[:11]:
            lines = data.rstrip(b"\r\n").split(b"\n")[:3]

            self.assertTrue(is_complete(lines), request)
            self.assertFalse(is_complete(lines[:2]), request)

    def test_bare_numbers_complete_a_request(self) -> None:
        for data, complete in (
            (b"PLAY \n2", True),
            (b"TEARDOWN \n", False),
            (b"PAUSE movie.Mjpeg RTSP/1.0\nCSeq: 3", False),
            (b"SETUP movie.Mjpeg\n1", False),
            (b"SETUP movie.Mjpeg\n1\n RTSP/1.0 RTP/UDP", False),
            (b"GETLIST / RTSP/1.0", False),
            (b"LOAD all video\n1", True),
            (b"nonsense: 1\n2", False),
        ):
            self.assertEqual(is_complete(data.split(b"\n")), complete, data)


class RequestLineTests(SynchronousTestCase):
    def test_verbs_open_a_request(self) -> None:
        for data, _ in REQUESTS:
            self.assertTrue(is_request_line(data.split(b"\n")[0]), data)
        self.assertTrue(is_request_line(b"FLY me RTSP/1.0\r"))
        self.assertTrue(is_request_line(b"OPTIONS * RTSP/1.0\r"))

    def test_other_lines_do_not(self) -> None:
        for data, _ in REQUESTS:
            for line in data.split(b"\n")[1:]:
                self.assertFalse(is_request_line(line), line)
        for line in (b"", b"FLY me", b"Play: x", b"RTSP/1.0 200 OK", b"GET / HTTP/1.1"):
            self.assertFalse(is_request_line(line), line)


URI = b"rtsp://host/movie.Mjpeg"


class DialectTests(SynchronousTestCase):
    def told(self, message: bytes, end: End) -> Dialect | None:
        return dialect(message.split(b"\n"), end)

    def test_a_first_line_alone_tells_nothing(self) -> None:
        for first in (b"SETUP movie.Mjpeg RTSP/1.0", b"PLAY", b"", b"\x16\x03\x01"):
            for end in (End.OPEN, End.SILENCE):
                self.assertIsNone(self.told(first, end))

    def test_a_bare_name_and_a_bare_line_feed_are_the_laboratory_at_once(self) -> None:
        for message in (b"SETUP movie.Mjpeg RTSP/1.0\n", b"PLAY \n", b"CONNECT RTSP/1.0\nCSe"):
            for end in End:
                self.assertIs(self.told(message, end), Dialect.LABORATORY)

    def test_known_requests_are_the_laboratory_after_a_silence(self) -> None:
        for data, request in REQUESTS:
            if request.client_port or request.session:
                self.assertIs(self.told(data, End.SILENCE), Dialect.LABORATORY, data)

    def test_a_bare_name_with_crlf_waits_for_its_end(self) -> None:
        message = b"PLAY movie.Mjpeg RTSP/1.0\r\nCSeq: 2\r\nSession: 123456\r\n"

        for size in range(len(message)):
            self.assertIsNone(self.told(message[:size], End.OPEN))
        self.assertIs(self.told(message, End.SILENCE), Dialect.LABORATORY)
        self.assertIs(self.told(message, End.NEXT_VERB), Dialect.LABORATORY)
        self.assertIs(self.told(message + b"\r\n", End.EMPTY_LINE), Dialect.RTSP)

    def test_an_incomplete_message_with_crlf_waits_through_any_silence(self) -> None:
        self.assertIsNone(self.told(b"PLAY movie.Mjpeg RTSP/1.0\r\nCSeq: 2\r\n", End.SILENCE))

    def test_the_end_may_be_told_without_the_empty_line(self) -> None:
        self.assertIs(dialect([b"PLAY a RTSP/1.0\r", b"CSeq: 1\r"], End.EMPTY_LINE), Dialect.RTSP)
        self.assertIs(dialect([b"PLAY a RTSP/1.0\r"], End.EMPTY_LINE), Dialect.RTSP)
        self.assertIs(dialect([b"PLAY a RTSP/1.0"], End.EMPTY_LINE), Dialect.LABORATORY)

    def test_an_absolute_uri_is_rtsp_whatever_its_line_ends(self) -> None:
        for line_end in (b"\n", b"\r\n"):
            for first in (b"PLAY " + URI, b"DESCRIBE " + URI, b"PLAY *"):
                message = first + b" RTSP/1.0" + line_end + b"CSeq: 1" + line_end
                for end in End:
                    self.assertIs(self.told(message, end), Dialect.RTSP, message)

    def test_a_setup_of_an_absolute_uri_is_told_by_its_transport(self) -> None:
        head = b"SETUP " + URI + b" RTSP/1.0\r\nCSeq: 1\r\n"
        for transport, told in (
            (b"Transport: RTP/UDP; client_port= 25000", Dialect.LABORATORY),
            (b"transport:TCP/UDP;client_port=25000", Dialect.LABORATORY),
            (b"RTP/UDP; client_port= 25000", Dialect.LABORATORY),
            (b"RTSP/1.0 RTP/UDP 25000", Dialect.LABORATORY),
            (b"Transport: RTP/AVP/UDP;unicast;client_port=25000-25001", Dialect.RTSP),
            (b"Transport: RTP/UDPLITE;client_port=25000", Dialect.RTSP),
            (b"User-Agent: RTP/UDP", Dialect.RTSP),
        ):
            message = head + transport
            early = None if told is Dialect.RTSP else told
            self.assertIs(self.told(message, End.OPEN), early, transport)
            self.assertIs(self.told(message, End.SILENCE), early, transport)
            self.assertIs(self.told(message + b"\r\n\r\n", End.EMPTY_LINE), told, transport)

    def test_methods_that_no_laboratory_knows_are_rtsp(self) -> None:
        for verb in (b"OPTIONS", b"GET_PARAMETER", b"ANNOUNCE"):
            self.assertIs(self.told(verb + b" / RTSP/1.0\nCSeq: 1\n", End.OPEN), Dialect.RTSP)

    def test_what_is_no_request_is_left_to_rtsp(self) -> None:
        for message in (b"\xff\xfe\n", b"GET / HTTP/1.1\r\n", b"CSeq: 1\n2\n"):
            self.assertIs(self.told(message, End.OPEN), Dialect.RTSP)

    @given(LINES, st.sampled_from(End))
    def test_any_lines_are_told_or_wait(self, lines: list[bytes], end: End) -> None:
        told = dialect(lines, end)

        if end in (End.EMPTY_LINE, End.NEXT_VERB):
            self.assertIsNotNone(told)


class AnswerTests(SynchronousTestCase):
    def test_three_lines_and_nothing_else(self) -> None:
        self.assertEqual(answer(200, 2, 123_456), b"RTSP/1.0 200 OK\nCSeq: 2\nSession: 123456\n")
        self.assertEqual(answer(404, 1, 0), b"RTSP/1.0 404 Not Found\nCSeq: 1\nSession: 0\n")

    @given(st.integers(100, 599), st.integers(0, 10**10 - 1), st.integers(0, 999_999))
    def test_python_clients_find_their_integers(self, status: int, cseq: int, session: int) -> None:
        lines = answer(status, cseq, session).decode().split("\n")

        self.assertEqual([int(line.split(" ")[1]) for line in lines[:3]], [status, cseq, session])
        self.assertEqual(lines[3:], [""])

    def test_the_java_client_finds_nine_lines(self) -> None:
        text = description(3, MOVIE, 123_456).decode()

        lines = text.splitlines()

        self.assertEqual(lines[:3], ["RTSP/1.0 200 OK", "CSeq: 3", "Content-Base: movie.Mjpeg"])
        self.assertEqual(len(lines), 9)
        self.assertTrue(all(lines))
        self.assertEqual(lines[4], f"Content-Length: {len(text.partition('v=0')[2]) + 3}")

    @given(st.text(max_size=20))
    def test_a_name_cannot_add_lines(self, name: str) -> None:
        self.assertEqual(len(description(1, name, 1).decode().splitlines()), 9)

    def test_a_name_that_is_no_utf_8_is_shown_in_part(self) -> None:
        name = LabRequest.parse([b"DESCRIBE a\xffb\rc"]).name

        self.assertIn(b"\nContent-Base: abc\n", description(1, name, 1))


# Answers that end by themselves, in the forms in which servers give them.
ENDED: tuple[tuple[bytes, LabAnswer], ...] = (
    (b"RTSP/1.0 200 OK\nCSeq: 1\nSession: 123456\n", LabAnswer(200, 1, 123_456)),
    (b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nSession: 123456\r\n", LabAnswer(200, 1, 123_456)),
    (b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nSession: 5;timeout=60\r\n", LabAnswer(200, 1, 5)),
    (b"RTSP/1.0 404 Not Found\nCseq: 2\nSession: 0\n", LabAnswer(404, 2, 0)),
    (b"RTSP/1.0 200 OK\nCSeq: 1\nTransport: RTP/UDP\nSession: 7\n", LabAnswer(200, 1, 7)),
    (b"RTSP/1.0 200 OK\n2\nSession: 123456\n", LabAnswer(200, 2, 123_456)),
    (b"\r\nrtsp/1.0  200\nSession: none\nCSeq: 5\n", LabAnswer(200)),
    (b"RTSP/1.0 500 CONNECTION ERROR\n\n", LabAnswer(500)),
    (b"RTSP/1.0 200 OK\nCSeq: 3\n\nSession: 9", LabAnswer(200, 3)),
)

# Answers that end with silence only.
OPEN: tuple[tuple[bytes, LabAnswer], ...] = (
    (b"RTSP/1.0 200 OK\nCSeq: 1\nSession: 123456", LabAnswer(200, 1, 123_456)),
    (b"RTSP/1.0 200 OK\nCSeq: 1\n", LabAnswer(200, 1)),
    (b"RTSP/1.0 200 OK\nCSeq: 1", LabAnswer(200, 1)),
    (b"RTSP/1.0 501 Not Implemented", LabAnswer(501)),
)


class LabAnswerTests(SynchronousTestCase):
    def test_an_answer_that_has_ended(self) -> None:
        for data, expected in ENDED:
            for is_silent in (False, True):
                self.assertEqual(LabAnswer.parse(data, is_silent=is_silent), expected, data)

    def test_an_answer_that_ends_with_silence(self) -> None:
        for data, expected in OPEN:
            self.assertIsNone(LabAnswer.parse(data, is_silent=False), data)
            self.assertEqual(LabAnswer.parse(data, is_silent=True), expected, data)

    def test_what_follows_an_answer_is_passed_over(self) -> None:
        for data, expected in ENDED:
            for more in (b"Frames: 500\n\n", b"RTSP/1.0 404 x\nCSeq: 9\nSession: 9\n", b"\xff"):
                self.assertEqual(LabAnswer.parse(data + more, is_silent=False), expected)

    def test_no_part_of_an_answer_is_taken_for_the_whole(self) -> None:
        data, expected = ENDED[0]
        for size in range(len(data)):
            self.assertIsNone(LabAnswer.parse(data[:size], is_silent=False))
        self.assertEqual(LabAnswer.parse(data, is_silent=False), expected)

    def test_silence_alone_is_no_answer(self) -> None:
        for data in (b"", b"\n", b" \r\n"):
            self.assertIsNone(LabAnswer.parse(data, is_silent=True))

    def test_what_is_no_answer_is_refused(self) -> None:
        for data in (b"HTTP/1.1 400 Bad Request\r\n", b"RTSP/1.0 2000 OK\n", b"\xff\n", b"x\n\n"):
            for is_silent in (False, True):
                error = self.assertRaises(ParseError, LabAnswer.parse, data, is_silent=is_silent)
                self.assertEqual(error.rule, "status-line")

    def test_an_endless_answer_is_refused(self) -> None:
        for start in (b"RTSP/1.0 200 OK\n", b"RTSP/1.0 200 OK", b"\n"):
            data = start + b"x" * MAX_ANSWER_BYTES
            error = self.assertRaises(ParseError, LabAnswer.parse, data, is_silent=False)
            self.assertEqual(error.rule, "answer")

    @given(st.integers(100, 599), st.integers(0, 10**10 - 1), st.integers(0, 999_999))
    def test_our_own_answers_are_read(self, status: int, cseq: int, session: int) -> None:
        found = LabAnswer.parse(answer(status, cseq, session), is_silent=False)

        self.assertEqual(found, LabAnswer(status, cseq, session))

    @given(st.binary(max_size=60) | st.binary(max_size=60).map(b"RTSP/1.0 200 ".__add__))
    def test_any_bytes_are_read_or_refused(self, data: bytes) -> None:
        for is_silent in (False, True):
            try:
                LabAnswer.parse(data, is_silent=is_silent)
            except ParseError:
                continue
