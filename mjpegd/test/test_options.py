import io
import os
import sys
from fractions import Fraction
from pathlib import Path

from twisted.cred.checkers import FilePasswordDB, InMemoryUsernamePasswordDatabaseDontUse
from twisted.trial.unittest import SynchronousTestCase

from mjpegd import __version__
from mjpegd.addresses import Networks
from mjpegd.limits import Limits
from mjpegd.options import Options, arguments_from
from mjpegd.settings import Access, Making, Settings, Tls


def settings(*arguments: str) -> Settings:
    options = Options()
    options.parseOptions(arguments)
    return options.settings


class DefaultTests(SynchronousTestCase):
    def test_the_help_has_no_gaps(self) -> None:
        for name, text in Options().docs.items():
            self.assertNotRegex(text, r"\s\s|\n", name)
            self.assertTrue(text, name)

    def test_what_is_not_said_is_as_the_help_says(self) -> None:
        self.assertEqual(
            settings(),
            Settings(
                port=8554,
                interface="",
                listen=(),
                workers=1,
                media=Path("videos"),
                frame_rate=Fraction(24),
                loop=False,
                rtp_port=0,
                max_packet_bytes=1400,
                max_laboratory_bytes=20_480,
                segments=True,
                making=Making(
                    threads=os.cpu_count() or 1,
                    decoders=4 * (os.cpu_count() or 1),
                    decoder_bytes=1 << 30,
                    quality=85,
                    max_width=2040,
                    max_height=2040,
                ),
                tls=None,
                access=Access(),
                limits=Limits(),
            ),
        )


class ValueTests(SynchronousTestCase):
    def test_all_that_can_be_said(self) -> None:
        given = settings(
            "--port=0",
            "--interface=::1",
            "--listen=tcp:1",
            "--listen=tcp:2",
            "--workers=3",
            "--media=/films of ours",
            "--frame-rate=30000/1001",
            "--loop",
            "--rtp-port=6970",
            "--max-packet-size=1200",
            "--lab-max-packet-size=15000",
            "--no-gso",
            "--threads=3",
            "--decoders=5",
            "--decoder-memory=512",
            "--quality=70",
            "--max-width=1280",
            "--max-height=720",
            "--session-timeout=30",
            "--idle-limit=600",
            "--max-connections=10",
            "--max-connections-per-address=5",
            "--max-unauthenticated=4",
            "--login-time=20",
            "--nonce-time=60",
            "--max-sessions=7",
            "--max-sessions-per-address=6",
            "--max-sessions-per-user=3",
            "--max-bitrate=800M",
            "--max-bitrate-per-viewer=500k",
            "--request-rate=10",
            "--max-header-size=8000",
            "--max-body-size=0",
            "--max-tunnels=0",
            "--websocket-origin=https://a.example:8443",
            "--websocket-origin=*",
            "--users=who may watch.toml",
            "--certificate=chain.pem",
            "--private-key=key.pem",
            "--tls-port=322",
            "--allow=192.0.2.0/24",
            "--allow=2001:db8::1",
        )

        self.assertEqual(given.port, 0)
        self.assertEqual(given.interface, "::1")
        self.assertEqual(given.listen, ("tcp:1", "tcp:2"))
        self.assertEqual(given.workers, 3)
        self.assertEqual(given.media, Path("/films of ours"))
        self.assertEqual(given.frame_rate, Fraction(30_000, 1001))
        self.assertTrue(given.loop)
        self.assertEqual(given.rtp_port, 6970)
        self.assertEqual(given.max_packet_bytes, 1200)
        self.assertEqual(given.max_laboratory_bytes, 15_000)
        self.assertFalse(given.segments)
        self.assertEqual(
            given.making,
            Making(
                threads=3,
                decoders=5,
                decoder_bytes=512 << 20,
                quality=70,
                max_width=1280,
                max_height=720,
            ),
        )
        self.assertEqual(
            given.access,
            Access(
                users=Path("who may watch.toml").absolute(),
                networks=Networks.parse(["192.0.2.0/24", "2001:db8::1"]),
                origins=("https://a.example:8443", "*"),
            ),
        )
        self.assertEqual(
            given.tls,
            Tls(322, Path("chain.pem").absolute(), Path("key.pem").absolute(), is_only=False),
        )
        self.assertEqual(
            given.limits,
            Limits(
                session_timeout_s=30,
                interleaved_idle_s=600,
                connections=10,
                connections_per_address=5,
                unauthenticated=4,
                login_s=20,
                nonce_s=60,
                sessions=7,
                tunnels=0,
                sessions_per_address=6,
                sessions_per_user=3,
                bits_per_s=800_000_000,
                viewer_bits_per_s=500_000,
                requests_per_s=10,
                request_burst=40,
                header_bytes=8000,
                body_bytes=0,
            ),
        )

    def test_checkers_of_twisted_can_be_several(self) -> None:
        given = settings("--auth=memory:anna:secret", f"--auth=file:{__file__}")

        kinds = [type(checker) for checker in given.access.checkers]
        self.assertEqual(kinds, [InMemoryUsernamePasswordDatabaseDontUse, FilePasswordDB])

    def test_an_interface_has_one_spelling(self) -> None:
        self.assertEqual(settings("--interface=FE80:0::1%lo").interface, "fe80::1%lo")

    def test_bad_values_end_with_one_line(self) -> None:
        for argument, says in [
            ("--port=-1", "--port '-1': a whole number from 0 to 65535 is needed"),
            ("--port=65536", "--port '65536'"),
            ("--port=\uff18\uff15", "--port '\uff18\uff15'"),
            ("--port=", "--port ''"),
            ("--port=99999999999999999999", "--port"),
            ("--rtp-port=6971", "--rtp-port 6971: RTP takes an even port"),
            ("--rtp-port=65535", "--rtp-port '65535'"),
            ("--workers=0", "--workers '0': a whole number from 1 to 64 is needed"),
            ("--workers=65", "--workers '65'"),
            ("--interface=localhost", "--interface 'localhost': an address of this machine"),
            ("--media=", "--media: the name of a folder is needed"),
            ("--frame-rate=0", "--frame-rate '0'"),
            ("--frame-rate=1e9", "--frame-rate '1e9'"),
            ("--frame-rate=nan", "--frame-rate 'nan'"),
            ("--max-packet-size=100", "--max-packet-size '100': a whole number from 268 to 65507"),
            ("--max-packet-size=65508", "--max-packet-size '65508'"),
            ("--lab-max-packet-size=1023", "--lab-max-packet-size '1023'"),
            ("--threads=0", "--threads '0': a whole number from 1 to 256"),
            ("--decoders=257", "--decoders '257'"),
            ("--decoder-memory=255", "--decoder-memory '255'"),
            ("--quality=101", "--quality '101': a whole number from 1 to 100"),
            ("--max-width=2041", "--max-width '2041': a whole number from 16 to 2040"),
            ("--max-height=8", "--max-height '8'"),
            ("--session-timeout=5", "--session-timeout '5': a whole number from 20 to 3600"),
            ("--max-sessions=0", "--max-sessions '0'"),
            ("--max-sessions-per-user=all", "--max-sessions-per-user 'all': a whole number from 1"),
            ("--max-bitrate=1000", "--max-bitrate '1000': a number with k, M or G is needed"),
            ("--max-bitrate=0M", "--max-bitrate '0M': a number with k, M or G"),
            ("--max-bitrate-per-viewer=2m", "--max-bitrate-per-viewer '2m': a number with k, M"),
            ("--request-rate=0.5", "--request-rate '0.5': a whole number from 1"),
            ("--max-header-size=100", "--max-header-size '100': a whole number from 2048 to"),
            ("--max-body-size=2000000", "--max-body-size '2000000': a whole number from 0 to"),
            ("--users=", "--users: the name of a file is needed"),
            ("--certificate=", "--certificate: the name of a file is needed"),
            ("--tls-port=65536", "--tls-port '65536'"),
            ("--tls-port=322", "--tls-port: nothing is encrypted without a --certificate"),
            ("--private-key=key.pem", "--private-key: nothing is encrypted without"),
            ("--tls-only", "--tls-only: nothing is encrypted without"),
            ("--allow=home", "--allow: 'home' does not appear to be an IPv4 or IPv6 network"),
            ("--allow=192.0.2.1/24", "--allow: 192.0.2.1/24 has host bits set"),
            ("--max-tunnels=-1", "--max-tunnels '-1': a whole number from 0 to 1000000"),
            ("--websocket-origin=a.example", "--websocket-origin 'a.example': what browsers send"),
            ("--websocket-origin=https://a.example/", "--websocket-origin 'https://a.example/'"),
            ("--auth=pigeon:secret", "--auth 'pigeon': unknown; --help-auth shows all"),
            ("--auth=unix", "--auth 'unix': it cannot check Digest"),
            ("--auth=anonymous", "--auth 'anonymous': it cannot check Digest"),
            ("--auth=memory:secret", "--auth 'memory': argstring must be"),
            ("--auth=file", "--auth 'file': 'file' requires a filename"),
            ("--loop=1", "option --loop must not have an argument"),
            ("--speed=2", "option --speed not recognized"),
            ("--listen", "option --listen requires argument"),
            ("movie.avi", "'movie.avi' is no option"),
        ]:
            with self.assertRaises(SystemExit) as caught:
                settings(argument)
            line = str(caught.exception.code)
            self.assertTrue(line.startswith("mjpeg-rtsp: "), line)
            self.assertIn(says, line)
            self.assertNotIn("\n", line)

    def test_what_is_wrong_with_several_workers_only(self) -> None:
        for arguments, says in [
            (
                ("--workers=4", "--rtp-port=65530"),
                "--rtp-port '65530': a whole number from 0 to 65528",
            ),
            (
                ("--workers=2", "--listen=ssl:8322"),
                "--listen 'ssl:8322': a connection that Twisted encrypts cannot be handed to",
            ),
        ]:
            with self.assertRaises(SystemExit) as caught:
                settings(*arguments)
            self.assertIn(says, str(caught.exception.code))
            settings(*arguments[1:])

    def test_a_users_file_is_enough(self) -> None:
        with self.assertRaises(SystemExit) as caught:
            settings("--auth=memory:anna:secret", "--users=users.toml")

        self.assertIn("--users and --auth exclude each other", str(caught.exception.code))

    def test_what_is_wrong_with_a_certificate_only(self) -> None:
        for argument, says in [
            ("--private-key=", "--private-key: the name of a file is needed"),
            ("--listen=tcp:1", "--tls-only and --listen exclude each other"),
        ]:
            with self.assertRaises(SystemExit) as caught:
                settings("--certificate=all.pem", "--tls-only", argument)
            self.assertIn(says, str(caught.exception.code))

    def test_the_key_may_be_in_the_file_of_the_certificate(self) -> None:
        path = Path("all.pem").absolute()

        self.assertEqual(
            settings("--certificate=all.pem").tls, Tls(8322, path, path, is_only=False)
        )

    def test_where_the_packages_of_tls_are_missing_their_name_is_told(self) -> None:
        self.patch(sys, "modules", {**sys.modules, "mjpegd.encryption.certificates": None})

        with self.assertRaises(SystemExit) as caught:
            settings("--certificate=all.pem")

        self.assertIn("pip install 'mjpegd[tls]' brings them", str(caught.exception.code))

    def test_passwords_are_not_repeated(self) -> None:
        for argument in ("--auth=pigeon:a:secret", "--auth=memory:a:secret:b"):
            with self.assertRaises(SystemExit) as caught:
                settings(argument)
            self.assertNotIn("secret", str(caught.exception.code))

    def test_version_is_our_own(self) -> None:
        out = io.StringIO()
        self.patch(sys, "stdout", out)

        with self.assertRaises(SystemExit) as caught:
            settings("--version")

        self.assertEqual((caught.exception.code, out.getvalue()), (0, f"mjpegd {__version__}\n"))


class HelpTests(SynchronousTestCase):
    def test_every_option_has_a_sentence_of_its_own(self) -> None:
        text = " ".join(Options().getUsage().split())

        self.assertNotIn("The same", text)  # twistd sorts them: the one above is another
        names = [row[0] for row in Options.optParameters] + [row[0] for row in Options.optFlags]
        for name in names:
            self.assertRegex(text, rf"--{name}=? +[A-Z]")


class EnvironmentTests(SynchronousTestCase):
    def test_each_option_has_its_variable(self) -> None:
        given = settings(
            *arguments_from(
                {
                    "MJPEGD_PORT": "9000",
                    "MJPEGD_MEDIA": "/my films",
                    "MJPEGD_FRAME_RATE": "25",
                    "MJPEGD_LOOP": "1",
                    "MJPEGD_LISTEN": "tcp:1 tcp:2",
                    "MJPEGD_ALLOW": "192.0.2.0/24 ::1",
                    "MJPEGD_USERS": "/etc/users.toml",
                    "PATH": "/bin",
                }
            )
        )

        self.assertEqual((given.port, given.media), (9000, Path("/my films")))
        self.assertEqual((given.frame_rate, given.loop), (Fraction(25), True))
        self.assertEqual(given.listen, ("tcp:1", "tcp:2"))
        networks = Networks.parse(["192.0.2.0/24", "::1"])
        self.assertEqual(given.access, Access(Path("/etc/users.toml"), networks=networks))

    def test_without_variables_all_is_default(self) -> None:
        self.assertEqual(settings(*arguments_from({})), settings())

    def test_a_flag_is_1_or_0(self) -> None:
        self.assertEqual(arguments_from({"MJPEGD_LOOP": "0"}), [])
        with self.assertRaises(SystemExit) as caught:
            arguments_from({"MJPEGD_LOOP": "yes"})
        self.assertIn("MJPEGD_LOOP=yes: 1 or 0 is needed", str(caught.exception.code))

    def test_a_value_that_looks_like_an_option_stays_a_value(self) -> None:
        self.assertEqual(arguments_from({"MJPEGD_MEDIA": "--loop"}), ["--media=--loop"])
