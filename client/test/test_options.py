"""Tests of the player's `options`: what a command line means, and what is refused."""

import sys
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mjpegd import __version__

from ..options import (
    DEFAULT_ADDRESS,
    DEFAULT_CLIENT_PORT,
    EXIT_INTERRUPTED,
    EXIT_MISUSED,
    EXIT_PLAYED,
    MAX_LATENCY_MS,
    MAX_SECONDS,
    PASSWORD_VARIABLE,
    Settings,
    parse,
)

URL = "rtsp://camera.example/front"


def parsed(*arguments: str, **environment: str) -> Settings:
    return parse(arguments, environment)


def refusal(*arguments: str) -> tuple[int, str]:
    """The status that a wrong command line leaves with, and what it says."""
    error = StringIO()
    try:
        with redirect_stderr(error):
            parse(arguments, {})
    except SystemExit as ending:
        return int(ending.code or 0), error.getvalue()
    raise AssertionError(f"{arguments} were accepted")


def printed(*arguments: str) -> str:
    """What a command line prints that leaves with status 0."""
    output = StringIO()
    try:
        with redirect_stdout(output):
            parse(arguments, {})
    except SystemExit as ending:
        assert not ending.code
    return output.getvalue()


class WindowTests(SynchronousTestCase):
    def test_nothing_given_is_what_settings_have_by_themselves(self) -> None:
        self.assertEqual(parsed(), Settings())

    def test_the_command_line_is_that_of_the_process_by_default(self) -> None:
        self.patch(sys, "argv", ["mjpegd-player", URL])

        self.assertEqual(parse().url, URL)

    def test_without_a_url_the_default_waits_in_the_address_line(self) -> None:
        settings = parsed()

        self.assertIsNone(settings.url)
        self.assertEqual(settings.address, DEFAULT_ADDRESS)

    def test_a_url_stands_in_the_address_line(self) -> None:
        self.assertEqual(parsed(URL).address, URL)

    def test_transport_is_in_capitals_as_the_window_shows_it(self) -> None:
        self.assertEqual(parsed("--transport", "udp").transport, "UDP")
        self.assertEqual(parsed("--transport", "tcp").transport, "TCP")

    def test_without_latency_it_follows_the_network(self) -> None:
        self.assertIsNone(parsed().latency_s)

    def test_no_latency_at_all_is_a_latency(self) -> None:
        self.assertEqual(parsed("--latency", "0").latency_s, 0.0)

    @given(st.integers(0, MAX_LATENCY_MS))
    def test_latency_is_in_milliseconds(self, latency_ms: int) -> None:
        self.assertAlmostEqual(parsed("--latency", str(latency_ms)).latency_s, latency_ms / 1000)

    def test_laboratory(self) -> None:
        settings = parsed("--lab", URL)

        self.assertTrue(settings.is_laboratory)
        self.assertEqual(settings.client_port, DEFAULT_CLIENT_PORT)
        self.assertEqual(parsed("--lab", "--client-port", "25002").client_port, 25002)

    def test_the_laboratory_over_udp_is_the_laboratory(self) -> None:
        self.assertTrue(parsed("--lab", "--transport", "udp").is_laboratory)

    def test_login(self) -> None:
        settings = parsed("--user", "anna", URL, **{PASSWORD_VARIABLE: "secret"})

        self.assertEqual((settings.user, settings.password), ("anna", "secret"))

    def test_the_password_is_not_shown_with_the_settings(self) -> None:
        self.assertNotIn("secret", repr(parsed(**{PASSWORD_VARIABLE: "secret"})))

    def test_any_certificate(self) -> None:
        self.assertFalse(parsed("--no-verify").verifies_certificate)

    def test_what_becomes_of_the_picture(self) -> None:
        settings = parsed("--damaged", "--snapshots", "pictures")

        self.assertTrue(settings.shows_damaged)
        self.assertEqual(settings.folder, Path("pictures"))


class HeadlessTests(SynchronousTestCase):
    def test_all_options(self) -> None:
        arguments = ["--seconds", "2.5", "--frames", "5", "--record", "film.avi", "--stats", "json"]
        expected = Settings(
            url=URL,
            is_headless=True,
            seconds=2.5,
            frames=5,
            recording=Path("film.avi"),
            is_json=True,
        )

        self.assertEqual(parsed("--headless", URL, *arguments), expected)


class RefusalTests(SynchronousTestCase):
    def assert_refused(self, *arguments: str, because: str) -> None:
        status, said = refusal(*arguments)

        self.assertEqual(status, EXIT_MISUSED)
        usage, sentence = said.splitlines()
        self.assertTrue(usage.startswith("usage: mjpegd-player"))
        self.assertIn(because, sentence)

    def test_headless_needs_a_url(self) -> None:
        self.assert_refused("--headless", because="give the URL")

    def test_what_ends_by_itself_has_no_window(self) -> None:
        for option in (
            "--seconds 1",
            "--frames 1",
            "--record film.avi",
            "--stats json",
        ):
            self.assert_refused(*option.split(), URL, because="add --headless")

    def test_without_a_window_nobody_takes_snapshots(self) -> None:
        self.assert_refused("--headless", URL, "--snapshots", ".", because="--record")

    def test_a_client_port_is_for_the_laboratory(self) -> None:
        self.assert_refused("--client-port", "25000", because="--lab")

    def test_the_laboratory_knows_udp_only(self) -> None:
        self.assert_refused("--lab", "--transport", "tcp", because="UDP only")

    def test_numbers_have_bounds(self) -> None:
        numbers = {
            "--latency": ("-1", str(MAX_LATENCY_MS + 1), "40ms", "", "\N{SUPERSCRIPT TWO}"),
            "--client-port": ("0", "65536", "x", "9" * 5000),
            "--frames": ("0", "1.5", "-1", "9" * 5000),
            "--seconds": ("0", "-1", "nan", "inf", "x", str(MAX_SECONDS + 1), "1e999"),
        }
        for option, wrong in numbers.items():
            for number in wrong:
                self.assert_refused("--lab", "--headless", URL, f"{option}={number}", because="")

    def test_names_are_not_empty(self) -> None:
        for option in ("--user", "--record", "--snapshots"):
            self.assert_refused(f"{option}=", because=option)
        self.assert_refused("", because="URL")

    def test_options_are_not_guessed(self) -> None:
        self.assert_refused("--head", URL, because="unrecognized")


class HelpTests(SynchronousTestCase):
    def test_version(self) -> None:
        self.assertEqual(printed("--version"), f"mjpegd-player {__version__}\n")

    def test_help_tells_every_exit_status(self) -> None:
        told = printed("--help").partition("exit status:")[2]

        for status in (EXIT_PLAYED, EXIT_MISUSED, EXIT_INTERRUPTED):
            self.assertRegex(told, rf"\n  {status} ")

    def test_examples_of_the_help_are_accepted(self) -> None:
        examples = printed("--help").partition("examples:\n")[2].partition("\n\n")[0]

        for line in examples.splitlines():
            program, *arguments = line.split()
            self.assertEqual(program, "mjpegd-player")
            parse(arguments, {})
