"""What is in contrib: units that make sense to systemd and leave little open; a container file."""

import re
import shutil
import subprocess
import sys
from configparser import ConfigParser
from itertools import chain, combinations
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override

from mjpegd.options import Options
from mjpegd.test.keys import pair
from tests.system.cases import SystemTestCase, film, numbers

CHECKOUT = Path(__file__).parents[2]
CONTRIB = CHECKOUT / "contrib"
CONTAINER = CONTRIB / "container" / "Containerfile"
FOR_DEVELOPERS = {"test", "dev", "fuzz"}
SYSTEM_UNITS = Path("/usr/lib/systemd/system")
UNITS = Path("etc/systemd/system")
DROP_INS = sorted((CONTRIB / "mjpegd.service.d").iterdir())
# What units call; that they are there is not the question.
PROGRAMS = ("opt/mjpegd/bin/twistd", "bin/kill")
# Of 10, in tenths: what `systemd-analyze security` calls it.
EXPOSURE_TENTHS = 19
# As MemoryDenyWriteExecute=yes does it (prctl(2), PR_SET_MDWE with PR_MDWE_REFUSE_EXEC_GAIN).
WITHOUT_NEW_CODE = (
    sys.executable,
    "-c",
    "import ctypes, os, sys\n"
    "ctypes.CDLL(None).prctl(65, 1, 0, 0, 0)\n"
    "os.execv(sys.argv[1], sys.argv[1:])",
)


class UnitsTests(SystemTestCase):
    @override
    def setUp(self) -> None:
        self.require([] if shutil.which("systemd-analyze") else ["systemd-analyze"])
        self.root = self.folder()
        shutil.copytree(SYSTEM_UNITS, self.root / SYSTEM_UNITS.relative_to("/"), symlinks=True)
        for name in PROGRAMS:
            program = self.root / name
            program.parent.mkdir(parents=True, exist_ok=True)
            program.touch(0o755)

    def install(self, source: Path, name: str) -> None:
        target = self.root / UNITS / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)

    def assert_is_fine(self, command: str, *arguments: str) -> None:
        done = subprocess.run(
            ["systemd-analyze", command, f"--root={self.root}", "--no-pager", *arguments],
            capture_output=True,
            text=True,
            check=False,
        )
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)

    def assert_leaves_little_open(self, name: str) -> None:
        self.assert_is_fine("security", "--offline=yes", f"--threshold={EXPOSURE_TENTHS}", name)

    def test_the_service_and_its_socket(self) -> None:
        self.install(CONTRIB / "mjpegd.service", "mjpegd.service")
        self.install(CONTRIB / "mjpegd.socket", "mjpegd.socket")

        self.assert_is_fine("verify", "--man=no", "mjpegd.service", "mjpegd.socket")
        self.assert_leaves_little_open("mjpegd.service")

    def test_an_instance_and_its_socket(self) -> None:
        self.install(CONTRIB / "mjpegd.service", "mjpegd@.service")
        self.install(CONTRIB / "mjpegd@.socket", "mjpegd@.socket")
        folder = "mjpegd@.service.d"
        self.install(CONTRIB / folder / "instance.conf", f"{folder}/instance.conf")

        self.assert_is_fine("verify", "--man=no", "mjpegd@8554.service", "mjpegd@8554.socket")
        self.assert_leaves_little_open("mjpegd@8554.service")

    def test_with_everything_that_needs_a_little_more(self) -> None:
        sizes = range(1, len(DROP_INS) + 1)
        for chosen in chain.from_iterable(combinations(DROP_INS, size) for size in sizes):
            shutil.rmtree(self.root / UNITS, ignore_errors=True)
            self.install(CONTRIB / "mjpegd.service", "mjpegd.service")
            for drop_in in chosen:
                self.install(drop_in, f"mjpegd.service.d/{drop_in.name}")

            self.assert_is_fine("verify", "--man=no", "mjpegd.service")
            self.assert_leaves_little_open("mjpegd.service")


class StartTests(SynchronousTestCase):
    def test_every_option_that_is_used_exists(self) -> None:
        known = {name for name, *_ in Options.optParameters} | {"listen", "nodaemon", "pidfile"}
        for path in [CONTRIB / "mjpegd.service", *DROP_INS, CONTAINER]:
            text = path.read_text(encoding="utf-8")
            starts = re.findall(r"^(?:ExecStart=|ENTRYPOINT ).+", text, re.MULTILINE)
            used = set(re.findall(r"[ \"]--([a-z-]+)", " ".join(starts)))
            self.assertLessEqual(used, known, path.name)

    def test_the_container_has_every_package_and_every_extra_that_serves(self) -> None:
        settings = ConfigParser()
        settings.read(CHECKOUT / "setup.cfg")
        text = CONTAINER.read_text(encoding="utf-8")

        copied = re.findall(r"^COPY (?!--)(.+) \S+$", text, re.MULTILINE)
        for name in " ".join(copied).split():
            self.assertTrue((CHECKOUT / name).exists(), name)
        (extras,) = re.findall(r"'\.\[([a-z,]+)\]'", text)
        serving = set(settings["options.extras_require"]) - FOR_DEVELOPERS
        self.assertEqual(set(extras.split(",")), serving)


class MemoryTests(SystemTestCase):
    def test_without_tls_no_memory_is_written_and_executed(self) -> None:
        daemon = self.daemon({"film.avi": film(5)}, launcher=WITHOUT_NEW_CODE)
        daemon.start()
        viewer = self.viewer(daemon, "film.avi")
        viewer.play()

        self.assert_ends(viewer)
        self.assertEqual(numbers(viewer.reception), list(range(5)))

    def test_with_tls_it_works_or_says_what_is_forbidden(self) -> None:
        certificate, key = pair().write(self.folder())
        daemon = self.daemon(
            {},
            "--tls-port=0",
            f"--certificate={certificate}",
            f"--private-key={key}",
            launcher=WITHOUT_NEW_CODE,
        )
        daemon.launch()

        # Whether it needs such memory depends on how cffi was built.
        daemon.wait_for_line(r" and rtsps://|MemoryDenyWriteExecute=no allows it\n\Z")
