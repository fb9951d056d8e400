"""Who may watch what: the whole server, asked by viewers who have logged in, and by others."""

from dataclasses import replace

from twisted.cred.portal import IRealm
from twisted.internet.defer import Deferred
from twisted.logger import capturedLogs
from typing_extensions import override
from zope.interface.verify import verifyObject

from mjpegd.access.auth import Door, IViewer, Viewer
from mjpegd.access.rights import ALL_RIGHTS
from mjpegd.addresses import Networks
from mjpegd.test.conversation import FILM, TCP, UDP, VIEWER, Client, said
from mjpegd.test.fakes import FakeFilm
from mjpegd.test.logins import EVERYTHING, door, password_of
from mjpegd.test.visitors import ELSEWHERE, ROOT, LoginCase
from mjpegd.wire.messages import Response


class RightsTests(LoginCase):
    @override
    def setUp(self) -> None:
        users = {
            "anna": EVERYTHING,
            "bert": 'watch = ["garden/*"]\nlist = ["garden/a.avi"]',
            "carl": f'{EVERYTHING}\nnetworks = ["198.51.100.0/24"]',
            "dora": "watch = []",
        }
        self.serve(door(users, everyone='watch = ["live"]'))
        for path in ("garden/a.avi", "garden/b.avi"):
            self.server.shelf.films[path] = FakeFilm()

    def status(self, client: Client, path: str, method: str = "DESCRIBE") -> int:
        return client.ask(method, ROOT + path, Transport=TCP).status

    def test_what_is_open_to_everyone_needs_no_login(self) -> None:
        for method in ("DESCRIBE", "SETUP"):
            self.assertEqual(self.status(self.client, "live", method), 200)
            self.assertEqual(self.status(self.client, FILM, method), 401)

    def test_users_may_do_what_is_theirs_and_what_is_everyones(self) -> None:
        bert = self.connect("bert")

        for path, status in [
            ("garden/a.avi", 200),
            ("live", 200),
            (FILM, 403),
            ("garden", 403),
            ("nothing", 403),
            ("garden/nothing", 404),
            ("", 403),
        ]:
            for method in ("DESCRIBE", "SETUP"):
                self.assertEqual(self.status(bert, path, method), status, path)

    def test_other_spellings_of_a_path_lead_nowhere_else(self) -> None:
        bert = self.connect("bert")

        for path in ("garden//a.avi", "garden/%61.avi", "/garden/a.avi/", "garden/a.avi?fps=5"):
            self.assertEqual(self.status(bert, path), 200, path)
        for path in (f"garden/../{FILM}", f"garden/%2e%2e/{FILM}", f"./{FILM}"):
            self.assertIn(self.status(bert, path), {403, 404}, path)

    def test_a_user_without_rights_is_told_so_and_the_log_too(self) -> None:
        with capturedLogs() as events:
            self.assertEqual(self.status(self.connect("dora"), FILM), 403)

        self.assertIn(f"{VIEWER} (dora) may not have {FILM}", said(events))

    def test_from_other_networks_a_login_is_wrong(self) -> None:
        self.assertEqual(self.status(self.connect("carl"), FILM), 200)

        with capturedLogs() as events:
            answer, waited_s = self.guess("carl", password_of("carl"), ELSEWHERE)

        self.assertEqual(answer.status, 401)
        self.assertGreaterEqual(waited_s, 0.25)
        self.assertIn(
            f"login from {ELSEWHERE} failed: not from this network, user carl", said(events)
        )

    def test_everyone_may_be_everyone_somewhere(self) -> None:
        self.serve(door(everyone=f'{EVERYTHING}\nnetworks = ["198.51.100.0/24"]'))

        self.assertEqual(self.status(self.client, FILM), 200)
        self.assertEqual(self.status(self.server.connect(ELSEWHERE), FILM), 401)

    def test_the_server_itself_is_no_stream_but_where_it_is_opened(self) -> None:
        for uri in (ROOT, "*"):
            for method in ("GET_PARAMETER", "SET_PARAMETER"):
                self.assertEqual(self.client.ask(method, uri).status, 200)
            for method in ("DESCRIBE", "SETUP"):
                self.assertEqual(self.client.ask(method, uri, Transport=TCP).status, 401)

    def listed(self, client: Client) -> list[str]:
        answer = client.ask_with(b"streams\r\n", "GET_PARAMETER", ROOT)
        self.assertEqual(answer.status, 200)
        return [line.removeprefix(f"streams: {ROOT}") for line in answer.body.decode().splitlines()]

    def test_lists_hold_what_may_be_listed(self) -> None:
        self.assertEqual(self.listed(self.client), ["live"])
        self.assertEqual(self.listed(self.connect("bert")), ["live", "garden/a.avi"])
        everything = ["live", FILM, "garden/a.avi", "garden/b.avi"]
        self.assertEqual(self.listed(self.connect("anna")), everything)

    def test_who_may_see_nothing_of_a_list_is_asked(self) -> None:
        self.serve(door({"anna": EVERYTHING, "dora": "watch = []"}))

        for client, status in [
            (self.client, 401),
            (self.connect("dora"), 403),
            (self.connect("anna"), 200),
        ]:
            answer = client.ask_with(b"streams\r\n", "GET_PARAMETER", ROOT)
            self.assertEqual(answer.status, status)


class SessionTests(LoginCase):
    """A session belongs to the address and the user that made it."""

    @override
    def setUp(self) -> None:
        self.serve(door({"anna": EVERYTHING, "bert": EVERYTHING}, everyone='watch = ["live"]'))

    def strangers(self) -> list[Client]:
        return [
            self.connect("bert"),
            self.connect("anna", ELSEWHERE),
            self.connect("bert", ELSEWHERE),
        ]

    def without(self, answer: Response) -> Response:
        """An answer without what differs for every request."""
        fields = [field for field in answer.headers if field[0] not in {"CSeq", "Date"}]
        return replace(answer, headers=type(answer.headers)(fields))

    def test_anothers_is_answered_like_one_that_never_was(self) -> None:
        owner = self.connect("anna")
        owner.play(TCP)

        for stranger in self.strangers():
            for method in ("SETUP", "PLAY", "PAUSE", "TEARDOWN", "GET_PARAMETER", "OPTIONS"):
                stranger.session = owner.session
                anothers = stranger.ask(method, Transport=TCP)
                stranger.session = "12345678901234567890"
                nobodys = stranger.ask(method, Transport=TCP)
                self.assertEqual(anothers.status, 454)
                self.assertEqual(self.without(anothers), self.without(nobodys))
        self.assertEqual(owner.ask("PAUSE").status, 200)

    def test_without_a_login_a_users_session_is_nobodys(self) -> None:
        owner = self.connect("anna")
        owner.setup(TCP, f"{ROOT}live")
        self.client.session = owner.session

        for method in ("PLAY", "TEARDOWN", "OPTIONS"):
            self.assertEqual(self.client.ask(method, f"{ROOT}live").status, 454)

    def test_a_user_does_not_find_what_was_made_without_a_login(self) -> None:
        self.client.setup(TCP, f"{ROOT}live")
        anna = self.connect("anna")
        anna.session = self.client.session

        self.assertEqual(anna.ask("PLAY", f"{ROOT}live").status, 454)
        self.assertEqual(self.client.ask("PLAY", f"{ROOT}live").status, 200)

    def test_its_owner_finds_it_from_another_connection(self) -> None:
        owner = self.connect("anna")
        owner.play(UDP)
        other = self.connect("anna")
        other.session = owner.session

        self.assertEqual(other.ask("PAUSE").status, 200)

    def test_who_has_not_logged_in_keeps_nothing_alive(self) -> None:
        owner = self.connect("anna")
        owner.play(UDP)
        for _ in range(4):
            self.server.advance(20, step_s=1)
            stranger = self.server.connect()
            stranger.session = owner.session
            stranger.ask("GET_PARAMETER")

        self.assertEqual(len(self.server.registry), 0)


class DoorTests(LoginCase):
    def test_a_new_door_is_for_everybody_who_is_connected(self) -> None:
        anna = self.connect("anna")
        self.assertEqual(anna.ask("DESCRIBE").status, 200)

        self.server.gate.door = door({"bert": EVERYTHING}, everyone='watch = ["live"]')

        self.assertEqual(self.waited(anna, anna.text("DESCRIBE"))[0].status, 401)
        self.assertEqual(self.client.ask("DESCRIBE", f"{ROOT}live").status, 200)

    def test_who_may_watch_is_told_without_a_login(self) -> None:
        gate = self.server.gate
        gate.door = door(
            {"anna": 'watch = ["a"]\nnetworks = ["192.0.2.0/24"]'}, everyone='watch = ["b"]'
        )

        for name, path, host, may in [
            ("anna", "a", "192.0.2.1", True),
            ("anna", "b", "192.0.2.1", True),
            ("anna", "a", "192.0.3.1", False),
            ("anna", "c", "192.0.2.1", False),
            (None, "b", "192.0.3.1", True),
            (None, "a", "192.0.2.1", False),
            ("bert", "b", "192.0.2.1", False),
        ]:
            self.assertEqual(gate.lets_watch(name, path, host), may, f"{name} {path} {host}")

    def test_audience_and_viewers_are_what_twisted_wants(self) -> None:
        audience = door().audience

        verifyObject(IRealm, audience)
        verifyObject(IViewer, Viewer("anna", (ALL_RIGHTS,)))
        self.assertRaises(NotImplementedError, audience.requestAvatar, b"anna", "")


class NetworkTests(LoginCase):
    def test_connections_from_elsewhere_are_refused_at_once(self) -> None:
        self.serve(Door.of_all(), Networks.parse(["198.51.100.0/24"]))

        with capturedLogs() as events:
            stranger = self.server.connect(ELSEWHERE)
        self.assertEqual([answer.status for answer in stranger.responses()], [403])
        self.assertTrue(stranger.wire.is_half_closed)
        self.assertEqual(self.server.factory.connections, 1)
        self.assertIn("1 connections from outside of --allow", said(events))
        self.assertEqual(self.client.ask("DESCRIBE").status, 200)

    def test_within_them_a_login_is_needed_all_the_same(self) -> None:
        self.serve(door(), Networks.parse(["198.51.100.0/24"]))

        self.assertEqual(self.client.ask("DESCRIBE").status, 401)


class LaboratoryTests(LoginCase):
    def setup_status(self, name: str) -> str:
        client = self.server.connect()
        client.send(f"SETUP {name} RTSP/1.0\nCSeq: 1\nTransport: RTP/UDP; client_port= 25000\n\n")
        return client.raw().decode().split()[1]

    def test_its_clients_see_what_is_open_to_everyone(self) -> None:
        self.serve(door(everyone=f'watch = ["{FILM}"]'))
        self.server.shelf.films["other.Mjpeg"] = FakeFilm()

        statuses = [self.setup_status(name) for name in (FILM, "other.Mjpeg", "none.Mjpeg", "live")]
        self.assertEqual(statuses, ["200", "404", "404", "404"])

    def test_with_users_and_nothing_else_they_see_nothing(self) -> None:
        self.assertEqual(self.setup_status(FILM), "404")

    def test_who_may_no_longer_watch_when_the_film_is_open_has_no_session(self) -> None:
        self.serve(door(everyone=EVERYTHING))
        opening = self.server.shelf.opening = Deferred()
        client = self.server.connect()
        client.send(f"SETUP {FILM} RTSP/1.0\nCSeq: 1\nTransport: RTP/UDP; client_port= 25000\n\n")

        self.server.gate.door = door()
        opening.callback(None)

        self.assertTrue(client.raw().startswith(b"RTSP/1.0 404 "))
        self.assertEqual(len(self.server.registry), 0)

    def test_a_bare_name_is_no_way_around_a_login(self) -> None:
        answer = self.client.answer(f"DESCRIBE {FILM} RTSP/1.0\r\nCSeq: 1\r\n\r\n")

        self.assertEqual(answer.status, 401)
