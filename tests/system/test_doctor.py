"""How `mjpegd-doctor` behaves as a process: what it writes to, and how it ends."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override

from mjpegd.test import films
from mjpegd.test.pictures import picture
from tests.system.daemon import PATIENCE_S

COMMAND = [sys.executable, "-m", "mjpegd.doctor"]
# So many pictures take seconds.
MANY_PICTURES = 20_000


class DoctorTests(SynchronousTestCase):
    @override
    def setUp(self) -> None:
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir(parents=True)
        self.film = self.folder / "film.avi"
        self.film.write_bytes(films.avi([picture(number) for number in range(3)]))

    def run_it(
        self, *arguments: str | Path, stdout: int = subprocess.PIPE
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )

    def test_a_good_film_is_a_status_of_0_and_nothing_on_standard_error(self) -> None:
        ended = self.run_it(self.film)

        self.assertEqual((ended.returncode, ended.stderr), (0, ""))
        self.assertIn("film.avi: plays as it is", ended.stdout)

    def test_a_missing_film_is_a_status_of_1_without_a_traceback(self) -> None:
        ended = self.run_it(self.folder / "missing.avi")

        self.assertEqual((ended.returncode, ended.stderr), (1, ""))

    def test_a_wrong_command_line_is_a_status_of_2(self) -> None:
        self.assertEqual(self.run_it("--nonsense").returncode, 2)

    def test_nobody_who_reads_is_no_traceback(self) -> None:
        reader, writer = os.pipe()
        os.close(reader)
        try:
            ended = self.run_it(self.film, stdout=writer)
        finally:
            os.close(writer)

        self.assertEqual((ended.returncode, ended.stderr), (1, ""))

    def test_a_full_disk_is_one_line(self) -> None:
        full = os.open("/dev/full", os.O_WRONLY)
        try:
            ended = self.run_it(self.film, stdout=full)
        finally:
            os.close(full)

        self.assertEqual(ended.returncode, 1)
        self.assertEqual(ended.stderr, "mjpegd-doctor: cannot write: No space left on device\n")

    def test_ctrl_c_ends_it_at_once(self) -> None:
        jpeg = self.folder / "picture.jpg"
        jpeg.write_bytes(picture(1))
        pictures = self.folder / "pictures"
        pictures.mkdir()
        for number in range(MANY_PICTURES):
            (pictures / f"{number}.jpg").hardlink_to(jpeg)
        # Who was started in the background ignores it, and so would the process.
        self.addCleanup(
            signal.signal, signal.SIGINT, signal.signal(signal.SIGINT, signal.default_int_handler)
        )
        with subprocess.Popen(
            [*COMMAND, self.film, pictures], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            process.stdout.readline()
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=PATIENCE_S)

        self.assertEqual((process.returncode, said), (130, b""))
