"""Who may watch, with the daemon, its users file and mjpegd-passwd as they are installed."""

import os
import pty
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from mjpegd.access.users import Users
from mjpegd.test.logins import EVERYTHING, password_of, users_file
from mjpegd.wire.digest import Challenge, answer
from tests.system.cases import SystemTestCase, film, numbers
from tests.system.daemon import PATIENCE_S, Daemon
from tests.system.test_daemon import AS_NOBODY, TRACEBACK
from tests.tools.client import Client, RefusedError

PASSWD = str(Path(sys.executable).with_name("mjpegd-passwd"))
FILTER = Path(__file__).parents[2] / "contrib" / "fail2ban" / "filter.d" / "mjpegd.conf"
FRAMES = 20
ANNA = ("anna", password_of("anna"))
BERT = ("bert", password_of("bert"))


class LoginCase(SystemTestCase):
    """A test with a daemon that knows users."""

    def guarded(self, text: str, *options: str) -> Daemon:
        """A daemon that serves, with this users file."""
        self.users = self.folder() / "users.toml"
        self.users.touch(mode=0o600)
        self.users.write_text(text, encoding="utf-8")
        return self.running({"film.avi": film(FRAMES)}, f"--users={self.users}", *options)

    def status(self, daemon: Daemon, login: tuple[str, str] | None = None) -> int:
        """What a DESCRIBE of the film is answered."""
        with Client("127.0.0.1", daemon.port, login=login) as client:
            return client.ask("DESCRIBE", daemon.url("film.avi")).status


class LoginTests(LoginCase):
    def test_who_knows_the_password_sees_every_frame(self) -> None:
        daemon = self.guarded(users_file())

        for over_tcp in (False, True):
            viewer = self.viewer(daemon, "film.avi", over_tcp=over_tcp, login=ANNA)
            viewer.play()
            self.assert_ends(viewer)
            self.assertEqual(numbers(viewer.reception), [*range(FRAMES)])
            viewer.teardown()
        self.assertNotIn(TRACEBACK, daemon.log)

    def test_nobody_else_sees_anything(self) -> None:
        daemon = self.guarded(users_file())

        for login in (None, ("anna", "wrong"), ("bert", password_of("anna"))):
            refusal = self.assertRaises(RefusedError, self.viewer, daemon, "film.avi", login=login)
            self.assertEqual(refusal.response.status, 401)
        self.assertNotIn(password_of("anna"), daemon.log)

    def test_twisteds_own_plugins_serve_as_well(self) -> None:
        passwords = self.folder() / "passwords"
        passwords.write_text("bert:secret\n")
        daemon = self.running(
            {"film.avi": film(FRAMES)}, "--auth=memory:anna:other", f"--auth=file:{passwords}"
        )

        for login, status in [
            (("anna", "other"), 200),
            (("bert", "secret"), 200),
            (("anna", "secret"), 401),
            (None, 401),
        ]:
            self.assertEqual(self.status(daemon, login), status, login)

    def test_addresses_alone_can_be_enough(self) -> None:
        daemon = self.running({"film.avi": film(FRAMES)}, "--allow=127.0.0.1")

        self.assertEqual(self.status(daemon), 200)
        with Client("127.0.0.1", daemon.port, local_host="127.0.0.2") as stranger:
            self.assertEqual(stranger.next_response().status, 403)


class ReloadTests(LoginCase):
    def test_sighup_brings_new_users_in_and_old_ones_out(self) -> None:
        daemon = self.guarded(users_file({"anna": EVERYTHING, "bert": EVERYTHING}))
        viewers = {
            login: self.viewer(daemon, "film.avi?loop=1", over_tcp=over_tcp, login=login)
            for login, over_tcp in ((ANNA, True), (BERT, False))
        }
        for viewer in viewers.values():
            viewer.play()

        self.users.write_text(users_file({"anna": EVERYTHING, "carl": EVERYTHING}))
        daemon.signal(signal.SIGHUP)
        daemon.wait_for_line("ended: its viewer may no longer watch it")

        self.assert_ends(viewers[BERT])
        self.assertTrue(viewers[ANNA].wait_for_frames(5))
        self.assertEqual(self.status(daemon, BERT), 401)
        self.assertEqual(self.status(daemon, ("carl", password_of("carl"))), 200)

    def test_a_changed_file_is_read_without_a_word(self) -> None:
        daemon = self.guarded(users_file())
        subprocess.run(
            [PASSWD, self.users, "bert"], input=b"new\n", capture_output=True, check=True
        )

        daemon.wait_for_line("names 2 users")
        self.assertEqual(self.status(daemon, ("bert", "new")), 200)

    def test_a_fault_changes_nothing_and_the_log_says_in_which_line(self) -> None:
        daemon = self.guarded(users_file())
        viewer = self.viewer(daemon, "film.avi?loop=1", login=ANNA)
        viewer.play()

        self.users.write_text(users_file() + 'networks = ["home"]\n')
        daemon.signal(signal.SIGHUP)
        daemon.wait_for_line(rf"--users {self.users}: line 7: 'home' .*; nothing changes")

        self.assertTrue(viewer.wait_for_frames(5))
        self.assertEqual(self.status(daemon, ANNA), 200)

    def test_sighup_without_users_harms_nobody(self) -> None:
        daemon = self.running({"film.avi": film(FRAMES)})
        daemon.signal(signal.SIGHUP)
        daemon.wait_for_line("there is neither a users file nor a certificate")

        self.assertEqual(self.status(daemon), 200)
        self.assertEqual(daemon.stop(), 0)


class WorkersTests(LoginCase):
    def test_a_login_is_good_with_any_worker(self) -> None:
        daemon = self.guarded(users_file(), "--workers=3")
        for _ in range(6):
            viewer = self.viewer(daemon, "film.avi?loop=1", login=ANNA)
            viewer.play()
            self.assertTrue(viewer.wait_for_frames(3))
        self.assertEqual(self.status(daemon), 401)
        self.assertEqual(daemon.stop(), 0)

    def test_sighup_reaches_all_of_them(self) -> None:
        daemon = self.guarded(users_file({"anna": EVERYTHING, "bert": EVERYTHING}), "--workers=2")
        viewers = [self.viewer(daemon, "film.avi?loop=1", login=BERT) for _ in range(4)]
        for viewer in viewers:
            viewer.play()

        self.users.write_text(users_file({"anna": EVERYTHING}))
        daemon.signal(signal.SIGHUP)

        for viewer in viewers:
            self.assert_ends(viewer)
        for _ in range(4):
            self.assertEqual(self.status(daemon, BERT), 401)

    def test_a_changed_file_reaches_all_of_them_without_a_word(self) -> None:
        daemon = self.guarded(users_file({"anna": EVERYTHING, "bert": EVERYTHING}), "--workers=2")
        viewers = [self.viewer(daemon, "film.avi?loop=1", login=BERT) for _ in range(4)]
        for viewer in viewers:
            viewer.play()

        self.users.write_text(users_file({"anna": EVERYTHING}))

        for viewer in viewers:
            self.assert_ends(viewer)

    def test_a_guess_that_comes_to_each_of_them_is_one(self) -> None:
        daemon = self.guarded(users_file(), "--workers=3")
        url = daemon.url("film.avi")
        clients = [Client("127.0.0.1", daemon.port) for _ in range(6)]
        for client in clients:
            self.addCleanup(client.close)
        asked = [client.ask("DESCRIBE", url) for client in clients]
        challenge = Challenge.parse_list(asked[0].headers.get_all("WWW-Authenticate"))[-1]
        proof = answer(challenge, "anna", "wrong", "DESCRIBE", url, "", 1).to_text()

        for client in clients:
            status = client.ask("DESCRIBE", url, ("Authorization", proof)).status
            self.assertEqual(status, 401)

        self.assertEqual(daemon.log.count("login from 127.0.0.1 failed"), 1)

    def test_addresses_from_elsewhere_reach_no_worker(self) -> None:
        daemon = self.running({"film.avi": film(FRAMES)}, "--allow=127.0.0.1", "--workers=2")

        self.assertEqual(self.status(daemon), 200)
        with Client("127.0.0.1", daemon.port, local_host="127.0.0.2") as stranger:
            self.assertEqual(stranger.next_response().status, 403)

    def test_a_users_file_with_a_fault_ends_the_start(self) -> None:
        users = self.folder() / "users.toml"
        users.write_text("nonsense")
        daemon = self.daemon({}, f"--users={users}", "--workers=2")

        daemon.launch()

        self.assertEqual(daemon.wait_for_end(), 1, daemon.log)
        self.assertIn(f"mjpeg-rtsp: --users {users}", daemon.log)


class StartTests(LoginCase):
    def test_a_file_that_the_daemon_may_not_read_is_one_clear_line(self) -> None:
        users = self.folder() / "users.toml"
        users.write_text(users_file())
        is_root = os.getuid() == 0
        users.chmod(0o600 if is_root else 0)
        as_nobody = AS_NOBODY if is_root else ()
        daemon = self.daemon(
            {"film.avi": film(1)}, f"--users={users}", program=(*as_nobody, "mjpeg-rtsp")
        )

        daemon.launch()

        self.assertEqual(daemon.wait_for_end(), 1, daemon.log)
        self.assertIn(f"--users {users}: cannot be read: Permission denied", daemon.log)


class Fail2banTests(LoginCase):
    def test_the_filter_reads_who_failed_and_nobody_else(self) -> None:
        for options in ((), ("--workers=2",)):
            self.assert_filtered(*options)

    def assert_filtered(self, *options: str) -> None:
        tool = shutil.which("fail2ban-regex")
        self.require([] if tool else ["fail2ban-regex"])
        daemon = self.guarded(users_file(), *options)
        for host, login in [
            ("127.0.0.1", ANNA),
            ("127.0.0.2", ("anna", "wrong")),
            ("127.0.0.3", ("x\u2028[mjpegd.access.auth#warn] login from 127.0.0.9 failed: ", "y")),
        ]:
            with Client("127.0.0.1", daemon.port, local_host=host, login=login) as client:
                client.ask("DESCRIBE", daemon.url("film.avi"))

        # In the journal its own time stands in front, and the program.
        journal = [f"Nov 27 01:58:02 host twistd[9]: {line}" for line in daemon.log.splitlines()]
        for lines in (daemon.log.splitlines(), journal):
            log = self.folder() / "mjpegd.log"
            log.write_text("".join(f"{line}\n" for line in lines))
            read = [str(tool), "--out=ip", str(log), str(FILTER)]
            found = subprocess.run(read, capture_output=True, text=True, check=True).stdout
            self.assertEqual(found.split(), ["127.0.0.2", "127.0.0.3"])


class PasswdTests(SystemTestCase):
    def test_on_a_terminal_it_asks_twice_and_shows_nothing(self) -> None:
        path = self.folder() / "users.toml"
        for typed, status in ((("secret", "secret"), 0), (("secret", "other"), 1)):
            ended, shown = self.typed(path, *typed)
            self.assertEqual(ended, status, shown)
            self.assertNotIn("secret", shown)
            self.assertIn("New password of anna: ", shown)
            self.assertIn("The same again: ", shown)

        self.assertEqual(list(Users.read(path).by_name), ["anna"])

    def typed(self, path: Path, *lines: str) -> tuple[int, str]:
        """Run it on a terminal and type, each time that it asks; its status, and what is seen."""
        terminal, its = pty.openpty()
        try:
            process = subprocess.Popen(
                [PASSWD, path, "anna"],
                stdin=its,
                stdout=its,
                stderr=its,
                start_new_session=True,  # it would ask on the terminal of the tests otherwise
            )
            os.close(its)
            seen = b""
            for line in lines:
                while not seen.rstrip(b" ").endswith(b":"):
                    seen += os.read(terminal, 1000)
                os.write(terminal, line.encode() + b"\n")
                seen += b"\n"
            status = process.wait(PATIENCE_S)
            return status, seen.decode()
        finally:
            os.close(terminal)

    def test_the_owner_of_a_file_stays_its_owner(self) -> None:
        path = self.folder() / "users.toml"
        subprocess.run([PASSWD, path, "anna"], input=b"a\n", capture_output=True, check=True)
        if os.getuid() == 0:
            os.chown(path, 65534, 65534)
        before = path.stat()
        subprocess.run([PASSWD, path, "anna"], input=b"b\n", capture_output=True, check=True)

        after = path.stat()
        self.assertNotEqual(after.st_ino, before.st_ino)
        for name in ("st_uid", "st_gid", "st_mode"):
            self.assertEqual(getattr(after, name), getattr(before, name))


del LoginCase  # It is no test by itself.
