"""Check that each module of mjpegd/wire is covered by its own test module alone.

What only the tests of a neighbour reach is not specified anywhere.
"""

import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

# The package's docstring, and exceptions, which the tests of those who raise them look at.
PLAIN = {"__init__", "errors"}


def uncovered(module: Path) -> str:
    """What a module's own tests leave out, as a report; empty if nothing."""
    test = f"mjpegd.test.test_{module.stem}"
    with tempfile.TemporaryDirectory() as folder:
        environ = {**os.environ, "COVERAGE_FILE": f"{folder}/coverage"}
        trial = ["-m", "twisted.trial", f"--temp-directory={folder}/trial", test]
        for arguments in (
            ["run", *trial],
            ["report", "--fail-under=100", f"--include={module}"],
        ):
            done = subprocess.run(
                [sys.executable, "-m", "coverage", *arguments],
                env=environ,
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode:
                return f"{module} by {test}:\n{done.stdout}{done.stderr}"
    return ""


def main() -> int:
    """Check all modules, as many at a time as there are processors."""
    modules = [path for path in sorted(Path("mjpegd/wire").glob("*.py")) if path.stem not in PLAIN]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        faults = [fault for fault in pool.map(uncovered, modules) if fault]
    sys.stdout.write("\n".join(faults))
    sys.stdout.write(f"{len(modules) - len(faults)} of {len(modules)} by their own tests alone\n")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
