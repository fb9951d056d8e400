"""What was found to lead an input through more of a target: kept beside it, and grown by running.

Each target has an archive of small files, named by what they hold, so that the same inputs are the
same archive.
"""

import hashlib
import zipfile
from collections.abc import Iterable
from pathlib import Path

_FOLDER = Path(__file__).parent / "corpora"
_NO_DATE = (1980, 1, 1, 0, 0, 0)


def path_of(name: str) -> Path:
    """Where the inputs of a target lie."""
    return _FOLDER / f"{name}.zip"


def load(name: str) -> list[bytes]:
    """The inputs that are kept for a target."""
    try:
        with zipfile.ZipFile(path_of(name)) as archive:
            return [archive.read(entry) for entry in archive.namelist()]
    except FileNotFoundError:
        return []


def save(name: str, inputs: Iterable[bytes]) -> None:
    """Keep these for a target, and no others."""
    _FOLDER.mkdir(exist_ok=True)
    with zipfile.ZipFile(path_of(name), "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for data in sorted(set(inputs), key=lambda data: (len(data), data)):
            archive.writestr(zipfile.ZipInfo(_digest(data), _NO_DATE), data, zipfile.ZIP_DEFLATED)


def unpack(inputs: Iterable[bytes], folder: Path) -> None:
    """Write inputs as a fuzzer wants them, a file each."""
    folder.mkdir(exist_ok=True)
    for data in inputs:
        (folder / _digest(data)).write_bytes(data)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]
