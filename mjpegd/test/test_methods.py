"""What each method checks, does and answers: the status codes, the strictness, the promises."""

from collections.abc import Callable
from fractions import Fraction
from itertools import product

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override

from mjpegd.errors import MediaBusyError, MediaError
from mjpegd.limits import Limits
from mjpegd.pictures.forms import Rendition
from mjpegd.test.conversation import (
    FILM,
    TCP,
    UDP,
    URL,
    Server,
    flat,
    header,
    jpegs,
    promised,
    said,
)
from mjpegd.test.fakes import FakeFilm, FakeVideo, small_picture
from mjpegd.test.pictures import number_of, picture
from mjpegd.wire.headers import NptRange, parse_number, parse_scale
from mjpegd.wire.jpeg_payload import Payload
from mjpegd.wire.packets import RTP_HEADER_BYTES
from mjpegd.wire.sdp import Description

METHODS = (
    "OPTIONS",
    "DESCRIBE",
    "SETUP",
    "PLAY",
    "PAUSE",
    "TEARDOWN",
    "GET_PARAMETER",
    "SET_PARAMETER",
)
GSTREAMER = "GStreamer/1.22.0"
ROOT = "rtsp://192.0.2.1:8554/"


class MethodTests(SynchronousTestCase):
    @override
    def setUp(self) -> None:
        self.server = Server()
        self.client = self.server.connect()


class StatusTests(MethodTests):
    def test_a_number_that_is_missing_or_malformed_is_400(self) -> None:
        for method in METHODS:
            self.assertEqual(self.client.ask(method, CSeq=None).status, 400)
            for number in ("x", "-1", "+1", "1.0", "12345678901", "\u0663", "1 2"):
                self.assertEqual(self.client.ask(method, CSeq=number).status, 400, number)

    def test_numbers_of_one_to_ten_digits_are_good(self) -> None:
        for number in ("0", "1", "9999999999", "0000000001"):
            self.assertEqual(self.client.ask("OPTIONS", CSeq=number).status, 200)

    def test_a_malformed_uri_is_400(self) -> None:
        for uri in ("http://192.0.2.1/movie.Mjpeg", "rtsp:///movie.Mjpeg", "rtsp://[::1/x"):
            self.assertEqual(self.client.ask("DESCRIBE", uri).status, 400, uri)

    def test_an_unknown_stream_is_404(self) -> None:
        for method in ("DESCRIBE", "SETUP"):
            answer = self.client.ask(method, f"{ROOT}nothing", Transport=UDP)
            self.assertEqual(answer.status, 404)

    def test_a_file_that_cannot_be_played_is_415_and_told_in_the_log(self) -> None:
        self.server.shelf.films["broken"] = FakeFilm(3, broken=range(3))
        self.server.shelf.films["secret"] = MediaError("may not be read")

        with capturedLogs() as events:
            for name in ("broken", "secret"):
                self.assertEqual(self.client.ask("DESCRIBE", ROOT + name).status, 415)

        self.assertIn("may not be read", "".join(said(events)))

    def test_methods_that_no_stream_has_are_405(self) -> None:
        for method in ("ANNOUNCE", "REDIRECT"):
            answer = self.client.ask(method)
            self.assertEqual(answer.status, 405)
            self.assertIn("DESCRIBE", header(answer, "Allow"))

    def test_record_is_455(self) -> None:
        self.assertEqual(self.client.ask("RECORD").status, 455)
        self.client.play()
        answer = self.client.ask("RECORD")
        self.assertEqual(answer.status, 455)
        self.assertIn("PAUSE", header(answer, "Allow"))

    def test_descriptions_are_sdp_or_406(self) -> None:
        for accept in (None, "application/sdp", "text/x, Application/SDP;q=0.5", "*/*"):
            self.assertEqual(self.client.ask("DESCRIBE", Accept=accept).status, 200)
        for accept in ("application/rtsl", "text/*"):
            self.assertEqual(self.client.ask("DESCRIBE", Accept=accept).status, 406)

    def test_unknown_parameters_are_451_and_listed(self) -> None:
        for method in ("GET_PARAMETER", "SET_PARAMETER"):
            answer = self.client.ask_with(b"jitter\r\nbarparam: barstuff\r\n\x1b[31m", method)
            self.assertEqual((answer.status, answer.body), (451, b"jitter\r\nbarparam\r\n"))

    def test_too_many_sessions_are_453(self) -> None:
        client = Server(Limits(sessions=1)).connect()

        self.assertEqual([client.setup().status for _ in range(2)], [200, 453])

    def test_what_needs_more_than_there_is_is_453(self) -> None:
        film = FakeFilm()
        film.mean_bytes = 1000  # at 24 frames a second 192 kbit/s
        server = Server(Limits(bits_per_s=500_000, viewer_bits_per_s=400_000), film=film)
        client = server.connect()

        self.assertEqual(client.setup(uri=f"{URL}?fps=60").status, 453)  # 480 kbit/s for one
        self.assertEqual([client.setup().status for _ in range(3)], [200, 200, 453])
        client.ask("TEARDOWN")
        self.assertEqual(client.setup().status, 200)

    def test_speed_is_granted_as_far_as_there_is_bandwidth(self) -> None:
        film = FakeFilm()
        film.mean_bytes = 1000
        server = Server(Limits(bits_per_s=500_000, viewer_bits_per_s=384_000), film=film)
        client, other = server.connect(), server.connect()
        for each in (client, other):
            each.setup()

        answer = other.ask("PLAY", Speed="2")
        self.assertEqual((answer.status, header(other.ask("PAUSE"), "Speed")), (453, ""))
        other.ask("TEARDOWN")
        self.assertEqual(header(client.ask("PLAY", Speed="9"), "Speed"), "2.0")
        self.assertEqual(other.setup().status, 453)
        client.ask("PLAY", Speed="1")
        self.assertEqual(other.setup().status, 200)

    def test_an_unknown_session_is_454_whatever_the_method(self) -> None:
        for method, session in product(METHODS, ("1", "x", "a b", "12345678901234567890", ";;")):
            answer = self.client.ask(method, Session=session, Transport=UDP)
            self.assertEqual(answer.status, 454, f"{method} {session}")

    def test_play_before_setup_is_455_and_tells_what_is_allowed(self) -> None:
        for method in ("PLAY", "PAUSE", "TEARDOWN"):
            answer = self.client.ask(method)
            self.assertEqual(answer.status, 455)
            self.assertIn("SETUP", header(answer, "Allow"))

    def test_a_session_has_to_be_named(self) -> None:
        self.client.setup()

        self.assertEqual(self.client.ask("PLAY", Session=None).status, 454)

    def test_another_stream_than_the_sessions_is_459_or_404(self) -> None:
        self.server.shelf.films["other"] = FakeFilm()
        self.client.setup()

        setup = self.client.ask("SETUP", f"{ROOT}other", Transport=UDP)
        self.assertEqual(setup.status, 459)
        for method in ("PLAY", "PAUSE", "TEARDOWN"):
            self.assertEqual(self.client.ask(method, f"{ROOT}other").status, 404)
            self.assertEqual(self.client.ask(method, f"{URL}/trackID=1").status, 404)

    def test_the_aggregate_and_the_track_name_the_session_alike(self) -> None:
        self.client.setup(uri=f"{URL}/trackID=0")
        for uri in (URL, f"{URL}/", f"{URL}/trackID=0", "rtsp://u:p@x//movie%2eMjpeg?a", "*"):
            self.assertEqual(self.client.ask("PLAY", uri).status, 200, uri)

    def test_a_track_that_is_not_there_is_404(self) -> None:
        self.assertEqual(self.client.setup(uri=f"{URL}/trackID=1").status, 404)

    def test_an_unknown_method_is_501(self) -> None:
        for method in ("options", "PLAY_NOTIFY", "X"):
            answer = self.client.ask(method)
            self.assertEqual(answer.status, 501)
            self.assertIn("DESCRIBE", header(answer, "Public"))

    def test_other_versions_are_505(self) -> None:
        for version in ("RTSP/2.0", "RTSP/0.9", "RTSP/9.9"):
            answer = self.client.answer(f"OPTIONS * {version}\r\nCSeq: 1\r\n\r\n")
            self.assertEqual((answer.status, answer.version), (505, "RTSP/1.0"))

    def test_requirements_are_551(self) -> None:
        for name in ("Require", "Proxy-Require"):
            answer = self.client.ask("DESCRIBE", **{name: "implicit-play"})
            self.assertEqual(answer.status, 551)
            self.assertEqual(header(answer, "Unsupported"), "implicit-play")

    def test_an_error_of_ours_is_500_and_the_server_lives_on(self) -> None:
        self.server.shelf.opening = Deferred()
        self.client.send(self.client.text("DESCRIBE"))
        self.server.shelf.opening.errback(ZeroDivisionError())
        self.server.shelf.opening = None
        self.server.shelf.films["x"] = FakeFilm()

        self.assertEqual([answer.status for answer in self.client.responses()], [500])
        self.assertEqual(self.client.ask("DESCRIBE", f"{ROOT}x").status, 200)
        self.flushLoggedErrors(ZeroDivisionError)


class TransportTests(MethodTests):
    def test_the_first_transport_that_can_be_had_is_taken(self) -> None:
        wanted = f"RTP/AVP;multicast,RTP/SAVP;unicast;client_port=1-2,junk,{TCP},{UDP}"

        answered = header(self.client.setup(wanted), "Transport")

        self.assertEqual(answered, "RTP/AVP/TCP;unicast;interleaved=0-1")

    def test_media_goes_to_nobody_else(self) -> None:
        for other in ("192.0.2.99", "example.org", "198.51.100.70", "::1"):
            answer = self.client.setup(f"{UDP};destination={other}")
            self.assertEqual(answer.status, 403, other)
        self.assertEqual(self.server.ports.asked, [])

    def test_media_goes_to_no_service_of_a_system(self) -> None:
        for ports in ("53-54", "1023-1024", "1-2", "123"):
            answer = self.client.setup(f"RTP/AVP;unicast;client_port={ports}")
            self.assertEqual(answer.status, 461, ports)
        self.assertEqual(self.server.ports.asked, [])
        fallback = self.client.setup(f"RTP/AVP;unicast;client_port=53-54,{TCP}")
        self.assertIn("interleaved=0-1", header(fallback, "Transport"))

    def test_its_own_address_may_be_named(self) -> None:
        for own in ("198.51.100.7", "::ffff:198.51.100.7"):
            self.assertEqual(self.client.setup(f"{UDP};destination={own}").status, 200)

    def test_where_the_next_transport_can_be_had_it_is(self) -> None:
        answer = self.client.setup(f"{UDP};destination=192.0.2.99,{TCP}")

        self.assertEqual(answer.status, 200)

    def test_a_single_port_means_the_next_for_reports(self) -> None:
        self.client.setup("RTP/AVP;unicast;client_port=5001")

        self.assertEqual(self.server.ports.asked[0][1], (5001, 5002))

    def test_taken_channels_are_answered_with_others(self) -> None:
        self.client.setup(TCP)

        answer = self.client.setup("RTP/AVP/TCP;interleaved=1-2")

        self.assertIn("interleaved=2-3", header(answer, "Transport"))

    def test_blocksize_is_an_upper_bound_of_payloads(self) -> None:
        for blocksize, most in (("300", 300), ("255", 1388), ("0", 1388), ("99999", 1388)):
            server = Server(film=FakeFilm())
            self.assertEqual(server.connect().setup(Blocksize=blocksize).status, 200)
            client = server.connect()
            client.setup(TCP, Blocksize=blocksize)
            client.ask("PLAY")
            longest = max(len(packet.payload) for packet in client.packets())
            self.assertLessEqual(longest, most)

    def test_a_malformed_blocksize_is_400(self) -> None:
        for blocksize in ("x", "-300", "1e3", "99999999999"):
            self.assertEqual(self.client.setup(Blocksize=blocksize).status, 400, blocksize)

    def test_packets_are_as_long_as_the_operator_allows(self) -> None:
        self.assertEqual(self.server.house.max_packet_bytes - RTP_HEADER_BYTES, 1388)

    def test_setup_again_changes_the_transport(self) -> None:
        self.client.setup()
        first = self.client.session

        again = self.client.setup(TCP, Session=first)

        self.assertEqual(again.status, 200)
        self.assertEqual(self.client.session, first)
        self.assertTrue(self.server.sender.is_closed)
        self.client.ask("PLAY")
        self.assertTrue(self.client.packets())
        self.assertEqual(len(self.server.registry), 1)

    def test_setup_while_playing_is_455(self) -> None:
        self.client.play()

        answer = self.client.setup(TCP, Session=self.client.session)

        self.assertEqual(answer.status, 455)
        self.assertNotIn("SETUP", header(answer, "Allow"))

    def test_ipv6_viewers_get_ipv6(self) -> None:
        client = self.server.connect("2001:db8::7")
        url = "rtsp://[2001:db8::1]:8554/movie.Mjpeg"

        self.assertIn(
            b"o=- 1700000000 1700000000 IN IP6 2001:db8::1", client.ask("DESCRIBE", url).body
        )
        self.assertEqual(client.setup(uri=url).status, 200)
        self.assertEqual(self.server.ports.asked, [("2001:db8::7", (5000, 5001), "2001:db8::1")])

    def test_mapped_addresses_are_ipv4(self) -> None:
        client = self.server.connect("::ffff:198.51.100.7")
        client.setup()

        self.assertEqual(self.server.ports.asked[0][0], "198.51.100.7")
        other = self.server.connect("198.51.100.7")
        other.session = client.session
        self.assertEqual(other.ask("PLAY").status, 200)


class EncryptedTests(MethodTests):
    """A connection that nobody can listen to."""

    secure_url = URL.replace("rtsp:", "rtsps:")

    @override
    def setUp(self) -> None:
        super().setUp()
        self.client = self.server.connect(is_secure=True)

    def test_media_does_not_go_where_it_can_be_listened_to(self) -> None:
        self.assertEqual(self.client.setup(UDP).status, 461)
        self.assertEqual(self.server.ports.asked, [])

    def test_the_next_way_that_is_asked_for_is_taken(self) -> None:
        answer = self.client.setup(f"{UDP},{TCP}")

        self.assertEqual(header(answer, "Transport"), "RTP/AVP/TCP;unicast;interleaved=0-1")

    def test_urls_keep_the_scheme_that_was_asked_for(self) -> None:
        for url in (self.secure_url, URL):  # GStreamer says rtsp on such connections, too
            client = self.server.connect(is_secure=True)
            self.assertEqual(header(client.ask("DESCRIBE", url), "Content-Base"), f"{url}/")
            client.setup(TCP, f"{url}/trackID=0")
            self.assertEqual(promised(client.ask("PLAY", url)).url, f"{url}/trackID=0")
            query = Description.parse(client.ask("DESCRIBE", f"{url}?fps=5").body)
            self.assertEqual(query.control, f"{url}?fps=5/trackID=0")

    def test_a_list_of_streams_is_of_the_same_scheme(self) -> None:
        answer = self.client.ask_with(b"streams\r\n", "GET_PARAMETER", ROOT.replace(":", "s:", 1))

        self.assertIn(f"streams: {self.secure_url}\r\n".encode(), answer.body)

    def test_a_bare_name_is_a_stream_of_the_same_scheme(self) -> None:
        answer = self.client.ask("DESCRIBE", f"/{FILM}")

        self.assertEqual(header(answer, "Content-Base"), f"{self.secure_url}/")


class PlayTests(MethodTests):
    def test_malformed_ranges_are_457(self) -> None:
        self.client.setup()
        for wanted in (
            "npt=",
            "npt=-",
            "npt=x-",
            "npt=-1-2",
            "npt=5-3",
            "npt=1234567890-",
            "npt=0:60:00-",
            "npt=0:00:60-",
            "npt=1e3-",
            "npt=nan-",
            "npt=inf-",
            "npt=\u0663-",
            "npt=1.5.5-",
            "smpte=0:10:00-",
            "clock=20260101T000000Z-",
            "bytes=0-",
            "5-6",
        ):
            self.assertEqual(self.client.ask("PLAY", Range=wanted).status, 457, wanted)
        self.assertEqual(self.server.sender.trains, [])

    def test_ranges_in_every_form_show_the_frame_they_name(self) -> None:
        for wanted, frame, answered in (
            ("npt=0.5-", 12, "npt=0.500-1.000"),
            ("npt=0.5-0.75", 12, "npt=0.500-0.750"),
            ("npt=0.51-", 12, "npt=0.500-1.000"),
            ("npt=-0.5", 0, "npt=0.000-0.500"),
            ("npt=now-", 0, "npt=0.000-1.000"),
            ("npt=0:00:00.25-", 6, "npt=0.250-1.000"),
            ("npt=0.25-;time=19970123T143720Z", 6, "npt=0.250-1.000"),
            ("NPT = 0.25 - 99", 6, "npt=0.250-1.000"),
            ("npt=99-", 23, "npt=0.958333-1.000"),
        ):
            server = Server()
            client = server.connect()
            client.setup(TCP)
            answer = client.ask("PLAY", Range=wanted)

            self.assertEqual(header(answer, "Range"), answered, wanted)
            self.assertEqual(number_of(jpegs(client.packets())[0]), frame, wanted)

    def test_a_live_source_takes_any_unit(self) -> None:
        live = f"{ROOT}live"
        self.client.setup(uri=live)
        for wanted in ("clock=20260101T000000Z-", "smpte=0:10:00-", "npt=5-", "npt=now-"):
            answer = self.client.ask("PLAY", live, Range=wanted)
            self.assertEqual((answer.status, header(answer, "Range")), (200, "npt=now-"))
        self.assertEqual(self.client.ask("PLAY", live, Range="npt=x-").status, 457)

    def test_scale_and_speed_that_make_no_sense_are_400(self) -> None:
        self.client.setup()
        for name, value in product(
            ("Scale", "Speed"),
            ("0", "0.0", "-0", "nan", "inf", "-inf", "1e3", "x", "1/2", "12345678901", "\u0663"),
        ):
            self.assertEqual(
                self.client.ask("PLAY", **{name: value}).status, 400, f"{name} {value}"
            )

    def test_scale_and_speed_are_clamped_and_answered(self) -> None:
        self.client.setup()
        for name, wanted, used in (
            ("Scale", "2", "2.0"),
            ("Scale", "1.5", "1.5"),
            ("Scale", "-1", "-1.0"),
            ("Scale", "1000", "64.0"),
            ("Scale", "-1000", "-64.0"),
            ("Scale", "0.0000001", "0.015625"),
            ("Scale", "-0.0000001", "-0.015625"),
            ("Scale", "1", "1.0"),
            ("Speed", "2", "2.0"),
            ("Speed", "9999999999", "16.0"),
            ("Speed", "0.001", "0.0625"),
            ("Speed", "-1", "0.0625"),
        ):
            answer = self.client.ask("PLAY", Range="npt=0.5-", **{name: wanted})
            self.assertEqual((answer.status, header(answer, name)), (200, used), wanted)

    def test_a_live_source_has_one_pace(self) -> None:
        live = f"{ROOT}live"
        self.client.setup(uri=live)

        answer = self.client.ask("PLAY", live, Scale="2", Speed="3")

        self.assertEqual((header(answer, "Scale"), header(answer, "Speed")), ("1.0", "1.0"))

    def test_in_reverse_a_range_runs_backwards(self) -> None:
        for wanted in ("npt=0.25-0.5", "npt=0.5-0.25"):
            client = self.server.connect()
            client.setup(TCP)
            answer = client.ask("PLAY", Range=wanted, Scale="-1")
            self.server.advance(2)

            self.assertEqual(header(answer, "Range"), "npt=0.500-0.250")
            shown = [number_of(frame) for frame in jpegs(client.packets())]
            self.assertEqual(shown, list(range(12, 5, -1)))

    def test_play_while_playing_changes_nothing_and_tells_the_truth(self) -> None:
        self.client.play(TCP)
        self.server.advance(0.3)
        before = len(self.client.packets())
        info = promised(self.client.ask("PLAY"))
        self.server.advance(1)

        following = self.client.packets()[before]
        self.assertEqual((following.sequence, following.timestamp), (info.sequence, info.timestamp))
        self.assertEqual([number_of(jpeg) for jpeg in jpegs(self.client.packets())], [*range(24)])

    def test_play_after_pause_goes_on_with_the_next_frame(self) -> None:
        self.client.play(TCP)
        self.server.advance(0.3)
        paused = NptRange.parse(header(self.client.ask("PAUSE"), "Range"))
        self.server.advance(5)
        resumed = NptRange.parse(header(self.client.ask("PLAY"), "Range"))
        self.server.advance(2)

        self.assertEqual(paused.start, resumed.start)
        self.assertEqual([number_of(jpeg) for jpeg in jpegs(self.client.packets())], [*range(24)])

    def test_play_after_the_end_starts_over(self) -> None:
        self.client.play(TCP)
        self.server.advance(3)

        self.assertEqual(header(self.client.ask("PLAY"), "Range"), "npt=0.000-1.000")
        self.server.advance(3)
        shown = [number_of(jpeg) for jpeg in jpegs(self.client.packets())]
        self.assertEqual(shown, [*range(24)] * 2)

    @given(
        st.lists(
            st.fixed_dictionaries(
                {
                    "Range": st.none()
                    | st.builds("npt={:.3f}-".format, st.floats(0, 3))
                    | st.builds("npt={0:.3f}-{0:.3f}9".format, st.floats(0, 1)),
                    "Scale": st.sampled_from([None, "1", "-1", "4", "0.25", "-64"]),
                    "Speed": st.sampled_from([None, "2", "0.5"]),
                }
            ),
            min_size=1,
            max_size=6,
        )
    )
    def test_every_promise_is_kept_to_the_packet(self, wishes: list[dict[str, str | None]]) -> None:
        server = Server(film=FakeFilm(200))
        client = server.connect()
        client.setup()
        for wish in wishes:
            before = len(flat(server.sender.trains))
            answer = client.ask("PLAY", URL, **wish)
            server.advance(0.3)

            first = flat(server.sender.trains)[before:][:1]
            if answer.status != 200 or not first:
                continue
            info = promised(answer)
            self.assertEqual(
                (first[0].sequence, first[0].timestamp), (info.sequence, info.timestamp)
            )
            start_s = NptRange.parse(header(answer, "Range")).start or 0.0
            shown = number_of(jpegs(first)[0])
            self.assertEqual(shown, round(start_s * 24))
        client.close()


class DescribeTests(MethodTests):
    def test_a_film_that_is_retimed_has_another_end(self) -> None:
        description = Description.parse(self.client.ask("DESCRIBE", f"{URL}?fps=12").body)

        self.assertEqual((description.range_text, description.framerate), ("npt=0.000-2.000", 12))

    def test_queries_that_mean_nothing_change_nothing(self) -> None:
        plain = self.client.ask("DESCRIBE").body
        other = self.client.ask("DESCRIBE", f"{URL}?token=x&a").body

        self.assertEqual(Description.parse(plain).range_text, Description.parse(other).range_text)

    def test_queries_that_make_no_sense_are_400(self) -> None:
        for query in ("fps=0", "fps=x", "fps=1e9", "fps=-1", "fps=1/0", "loop=2", "loop="):
            self.assertEqual(self.client.ask("DESCRIBE", f"{URL}?{query}").status, 400, query)

    def test_a_still_has_no_end(self) -> None:
        self.server.shelf.films["still"] = FakeFilm(1, still=True)
        description = Description.parse(self.client.ask("DESCRIBE", f"{ROOT}still").body)

        self.assertEqual((description.range_text, description.framerate), ("npt=0.000-", 1))

    def test_what_is_done_to_a_film_is_said_with_who_asked(self) -> None:
        self.server.shelf.films["grey"] = FakeFilm(3, draw=lambda number: picture(number, mode="L"))
        with capturedLogs() as events:
            self.client.ask("DESCRIBE", f"{ROOT}grey", **{"User-Agent": "Lavf59"})
            self.client.ask("DESCRIBE")

        lines = [line for line in said(events) if "describes" in line]
        self.assertIn("as Lavf59: encoded anew, with loss (greyscale)", lines[0])
        self.assertIn("as (no User-Agent): sent as they are", lines[1])

    def test_several_connections_watch_one_film(self) -> None:
        clients = [self.server.connect(f"192.0.2.{number}") for number in range(10, 13)]
        for client in clients:
            client.play(TCP)
            self.server.advance(0.1)
        self.server.advance(2)

        for client in clients:
            self.assertEqual([number_of(jpeg) for jpeg in jpegs(client.packets())], [*range(24)])


class FormTests(MethodTests):
    """What pictures are like for a player, by its name and by its URL."""

    def played(self, draw: Callable[[int], bytes], url: str, agent: str) -> Payload:
        """The first packet that such a player gets of such a film."""
        self.server.shelf.films["film"] = FakeFilm(3, draw=draw)
        client = self.server.connect()
        client.ask("DESCRIBE", f"{ROOT}film{url}", **{"User-Agent": agent})
        client.setup(TCP, f"{ROOT}film{url}", **{"User-Agent": agent})
        client.ask("PLAY", f"{ROOT}film{url}")
        return Payload.parse(client.packets()[0].payload)

    def test_restart_markers_are_taken_out_where_they_harm(self) -> None:
        def draw(number: int) -> bytes:
            return picture(number, restart_marker_blocks=2)

        for url, agent, interval in (
            ("", GSTREAMER, 2),
            ("?restart=strip", GSTREAMER, 0),
            ("", "gortsplib", 0),
            ("?restart=keep", "gortsplib", 2),
        ):
            payload = self.played(draw, url, agent)
            self.assertEqual(payload.restart_interval, interval, f"{url} {agent}")

    def test_large_pictures_keep_their_size_where_the_player_can_read_it(self) -> None:
        def draw(number: int) -> bytes:
            return picture(number, size=(2064, 32))

        for url, agent, width in (
            ("", GSTREAMER, 0),
            ("", "Lavf59", 2040),
            ("?big=native", "Lavf59", 0),
            ("?big=scale", GSTREAMER, 2040),
            ("?big=onvif", "", 0),
            ("?big=nested", "Lavf59", 8),
        ):
            self.assertEqual(self.played(draw, url, agent).width, width, f"{url} {agent}")

    def test_size_that_packets_do_not_tell_is_in_the_description(self) -> None:
        large = FakeFilm(3, draw=lambda number: picture(number, size=(2064, 32)))
        self.server.shelf.films["large"] = large
        for agent, dimensions in ((GSTREAMER, (2064, 32)), ("Lavf59", None)):
            answer = self.client.ask("DESCRIBE", f"{ROOT}large", **{"User-Agent": agent})
            self.assertEqual(Description.parse(answer.body).dimensions, dimensions, agent)

    def test_player_that_was_not_told_the_size_gets_smaller_pictures(self) -> None:
        large = FakeFilm(3, draw=lambda number: picture(number, size=(2064, 32)))
        self.server.shelf.films["large"] = large
        self.client.ask("DESCRIBE", f"{ROOT}large")
        self.client.setup(TCP, f"{ROOT}large", **{"User-Agent": GSTREAMER})
        self.client.ask("PLAY", f"{ROOT}large")

        self.assertEqual(Payload.parse(self.client.packets()[0].payload).width, 2040)

    def test_large_pictures_of_another_size_than_described_are_made_smaller(self) -> None:
        sizes = [(2064, 32), (2080, 32), (64, 32)]
        film = FakeFilm(3, draw=lambda number: picture(number, size=sizes[number]))
        self.server.shelf.films["film"] = film
        self.client.ask("DESCRIBE", f"{ROOT}film", **{"User-Agent": GSTREAMER})
        self.client.setup(TCP, f"{ROOT}film", **{"User-Agent": GSTREAMER})
        self.client.ask("PLAY", f"{ROOT}film")
        self.server.advance(0.2)

        packets = [Payload.parse(packet.payload) for packet in self.client.packets()]
        widths = [payload.width for payload in packets if payload.offset == 0]
        self.assertEqual(widths, [0, 2040, 64])

    def test_films_that_are_no_jpeg_are_rendered_as_the_url_asks(self) -> None:
        film = self.server.shelf.films["film"] = FakeVideo(3)
        url = f"{ROOT}film?width=320&height=200&quality=50"
        self.client.setup(TCP, url)
        self.client.ask("PLAY", url)

        self.assertEqual({rendition for _, rendition in film.rendered}, {Rendition(320, 200, 50)})

    def test_who_leaves_on_time_is_not_told_when_a_film_ends_that_may_stand_still(self) -> None:
        slow = FakeFilm(3, Fraction(20_000), draw=lambda number: picture(number, mode="L"))
        self.server.shelf.films["slow"] = slow
        self.server.shelf.films["quick"] = FakeFilm(24)
        for name, agent, has_end in (
            ("slow", GSTREAMER, False),
            ("slow", "Lavf59", True),
            ("quick", GSTREAMER, True),
        ):
            answer = self.client.ask("DESCRIBE", f"{ROOT}{name}", **{"User-Agent": agent})
            told = Description.parse(answer.body).range_text or ""
            self.assertEqual(not told.endswith("-"), has_end, f"{name} {agent}")
        self.client.setup(TCP, f"{ROOT}slow")
        self.assertEqual(header(self.client.ask("PLAY", f"{ROOT}slow"), "Range"), "npt=0.000-")

    def test_film_that_could_be_played_if_others_were_not_is_503(self) -> None:
        self.server.shelf.films["film"] = MediaBusyError("all decoders are at work")
        with capturedLogs() as events:
            self.assertEqual(self.client.ask("DESCRIBE", f"{ROOT}film").status, 503)

        self.assertIn("all decoders are at work", "".join(said(events)))


class ParameterTests(MethodTests):
    def test_streams_are_listed_as_urls_that_can_be_pasted(self) -> None:
        for uri, base in (
            (ROOT, ROOT),
            ("rtsp://joe:secret@camera.example", "rtsp://camera.example/"),
            ("*", ROOT),
            ("/", ROOT),
        ):
            answer = self.client.ask_with(b"streams\r\n", "GET_PARAMETER", uri)
            self.assertEqual(header(answer, "Content-Type"), "text/parameters")
            self.assertEqual(
                answer.body.decode(),
                f"streams: {base}live\r\nstreams: {base}{FILM}\r\n",
                uri,
            )

    def test_a_stream_has_no_streams(self) -> None:
        self.assertEqual(self.client.ask_with(b"streams", "GET_PARAMETER").status, 451)

    def test_the_list_is_bounded(self) -> None:
        client = Server(Limits(listed_streams=1)).connect()

        answer = client.ask_with(b"streams", "GET_PARAMETER", ROOT)

        self.assertEqual(answer.body.decode(), f"streams: {ROOT}live\r\n")

    def test_a_body_of_nothing_is_a_sign_of_life(self) -> None:
        for body in (b"", b"\r\n", b"  \n\n"):
            self.assertEqual(self.client.ask_with(body, "GET_PARAMETER").status, 200)

    @given(st.binary(max_size=200))
    def test_any_body_is_answered(self, body: bytes) -> None:
        client = self.server.connect()
        for method in ("GET_PARAMETER", "SET_PARAMETER"):
            self.assertIn(client.ask_with(body, method, ROOT).status, {200, 451})
        client.close()


class LeavingTests(MethodTests):
    def test_a_client_that_goes_while_its_film_is_opened_leaves_no_session(self) -> None:
        for transport in (UDP, TCP):
            self.server.shelf.opening = Deferred()
            self.server.shelf.films[transport] = FakeFilm()
            client = self.server.connect()
            client.send(client.text("SETUP", f"{ROOT}{transport}", Transport=transport))
            client.close()
            self.server.shelf.opening.callback(None)

            self.assertEqual(len(self.server.registry), 0)

    def test_a_session_that_ends_while_its_new_transport_is_set_up_is_454(self) -> None:
        self.client.setup()
        self.server.advance(15, step_s=1)  # the film is closed, and has to be opened again
        elsewhere = self.server.connect()
        elsewhere.session = self.client.session
        opening = self.server.shelf.opening = Deferred()
        self.server.shelf.films["other"] = FakeFilm()
        self.client.send(self.client.text("SETUP", f"{ROOT}other", Transport=TCP))

        self.assertEqual(elsewhere.ask("TEARDOWN").status, 200)
        opening.callback(None)

        self.assertEqual(self.client.responses()[-1].status, 454)
        self.assertEqual(len(self.server.registry), 0)

    def test_bits_in_the_file_are_the_bits_that_leave(self) -> None:
        self.client.play(TCP)
        self.server.advance(0.5)

        shown = jpegs(self.client.packets())[3]
        self.assertIn(small_picture(3)[-100:-2], shown)


class NumberTests(SynchronousTestCase):
    @given(st.integers(0, 10**10 - 1))
    def test_every_number_of_ten_digits_is_read(self, number: int) -> None:
        self.assertEqual(parse_number(str(number), "any"), number)

    @given(st.floats(0.001, 64).map(lambda value: round(value, 6)))
    def test_every_scale_is_read(self, value: float) -> None:
        self.assertAlmostEqual(parse_scale(f"{value:.6f}", "Scale"), value)
