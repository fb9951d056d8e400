"""Which worker the first words of a connection name."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mjpegd.test.tunnelled import COOKIE, get, head, post, upgrade
from mjpegd.workers.first_words import (
    MAX_BYTES,
    is_enough,
    named_tunnel,
    named_worker,
    prefix,
    worker_of_tunnel,
)

REQUEST = b"GET_PARAMETER rtsp://h/film RTSP/1.0\r\nCSeq: 5\r\n"
IDENTIFIER = b"07" + b"12345678901234567890"


def naming(session: bytes) -> bytes:
    return REQUEST + b"Session: " + session + b"\r\n\r\n"


class NamedWorkerTests(SynchronousTestCase):
    def test_a_session_names_its_worker(self) -> None:
        for said in (
            naming(IDENTIFIER),
            naming(IDENTIFIER + b";timeout=60"),
            naming(b"  " + IDENTIFIER + b" "),
            naming(IDENTIFIER).replace(b"Session: ", b"SESSION:\t"),
            naming(IDENTIFIER).replace(b"\r\n", b"\n"),
            b"\r\n\r\n" + naming(IDENTIFIER),
        ):
            self.assertEqual(named_worker(said), 7, said)

    def test_other_requests_name_none(self) -> None:
        for said in (
            b"",
            REQUEST + b"\r\n",
            naming(b"123456"),  # a laboratory client's
            naming(IDENTIFIER[:-1]),
            naming(IDENTIFIER + b"1"),
            naming(IDENTIFIER).replace(b"Session", b"X-Session"),
            b"OPTIONS * RTSP/1.0\r\nUser-Agent: Session: " + IDENTIFIER + b"\r\n\r\n",
        ):
            self.assertIsNone(named_worker(said), said)

    def test_what_follows_the_first_request_counts_for_nothing(self) -> None:
        self.assertIsNone(named_worker(REQUEST + b"\r\n" + naming(IDENTIFIER)))

    def test_a_request_that_is_cut_names_it_when_the_identifier_is_there(self) -> None:
        said = naming(IDENTIFIER)
        end = said.index(IDENTIFIER) + len(IDENTIFIER)

        self.assertIsNone(named_worker(said[: end - 1]))
        self.assertEqual(named_worker(said[: end + 1]), 7)

    @given(st.integers(min_value=1, max_value=64))
    def test_a_worker_is_found_by_its_prefix(self, number: int) -> None:
        said = naming(prefix(number).encode() + IDENTIFIER[2:])

        self.assertEqual(named_worker(said), number)


class NamedTunnelTests(SynchronousTestCase):
    def test_both_halves_name_their_cookie(self) -> None:
        for said in (
            get(),
            post() + b"T1BUSU9OUw==",
            get().replace(b"\r\n", b"\n"),
            get().replace(b"x-sessioncookie: ", b"X-SessionCookie:\t"),
            b"\r\n" + get(),
        ):
            self.assertEqual(named_tunnel(said), COOKIE.encode(), said)

    def test_all_else_names_none(self) -> None:
        for said in (
            b"",
            upgrade(),
            head("GET / HTTP/1.1"),
            get("a b"),
            head("OPTIONS * RTSP/1.0", f"x-sessioncookie: {COOKIE}"),
            head("GET / HTTP/1.1") + get(),
        ):
            self.assertIsNone(named_tunnel(said), said)


class WorkerOfTunnelTests(SynchronousTestCase):
    @given(st.binary(max_size=20), st.integers(1, 8))
    def test_both_halves_get_to_the_same_worker(self, cookie: bytes, count: int) -> None:
        workers = range(1, count + 1)

        found = worker_of_tunnel("192.0.2.7", cookie, workers)

        self.assertIn(found, workers)
        self.assertEqual(worker_of_tunnel("192.0.2.7", cookie, reversed(workers)), found)

    @given(st.binary(max_size=20), st.integers(1, 4))
    def test_when_a_worker_goes_only_its_own_tunnels_move(self, cookie: bytes, gone: int) -> None:
        before = worker_of_tunnel("192.0.2.7", cookie, range(1, 5))
        after = worker_of_tunnel("192.0.2.7", cookie, {1, 2, 3, 4} - {gone})

        self.assertTrue(after == before or before == gone)

    def test_tunnels_are_spread_over_all_workers(self) -> None:
        found = [
            worker_of_tunnel("192.0.2.7", b"%d" % number, range(1, 5)) for number in range(1000)
        ]

        for worker in range(1, 5):
            self.assertGreater(found.count(worker), 150)


class EnoughTests(SynchronousTestCase):
    def test_a_whole_head_is_enough(self) -> None:
        for said in (REQUEST + b"\r\n", b"\r\n" + REQUEST.replace(b"\r\n", b"\n") + b"\n"):
            self.assertTrue(is_enough(said))

    def test_a_part_of_one_is_not(self) -> None:
        for said in (b"", b"\r\n", REQUEST, REQUEST[:-1], b"SETUP movie.Mjpeg RTSP/1.0\nCSeq: 1"):
            self.assertFalse(is_enough(said), said)

    def test_what_is_no_request_is_not_waited_for(self) -> None:
        for said in (b"\x16\x03\x01", b"$\x00", b"\r\n{"):
            self.assertTrue(is_enough(said), said)

    def test_more_than_players_say_is_not_waited_for(self) -> None:
        self.assertTrue(is_enough(b"A" * MAX_BYTES))
