"""A film served by gst-rtsp-server, to try a player on a server that others wrote.

    with GstServer(avi_of(path), user="anna", password="secret") as server:
        ... play server.url ...

The server is this file, run by the Python that has Debian's python3-gi and
gir1.2-gst-rtsp-server-1.0:

    /usr/bin/python3 gst_server.py [--user anna --password secret [--basic]] LAUNCH-LINE
"""

import argparse
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

HOST = "127.0.0.1"
MOUNT = "/film"
PYTHON = "/usr/bin/python3"
_NEEDS = "import gi; gi.require_version('GstRtspServer', '1.0')"


def avi_of(path: Path) -> str:
    """The launch line for an AVI of JPEGs with the usual Huffman tables."""
    return f'( filesrc location="{path}" ! avidemux ! rtpjpegpay name=pay0 pt=26 )'


def missing() -> list[str]:
    """The packages that this machine has not."""
    has_all = (
        Path(PYTHON).exists()
        and not subprocess.run(
            [PYTHON, "-c", _NEEDS], check=False, stderr=subprocess.DEVNULL
        ).returncode
    )
    return [] if has_all else ["python3-gi", "gir1.2-gst-rtsp-server-1.0"]


class GstServer:
    """A server in a process of its own, which ends with this one at the latest.

    Args:
        launch: The pipeline as gst-launch-1.0 has it; its payloader is called pay0.
        user: Who may watch; empty is everybody.
        password: What that user has to know.
        is_basic: The password is asked for by Basic instead of Digest.

    Raises:
        RuntimeError: It does not serve; says why.
    """

    def __init__(
        self, launch: str, *, user: str = "", password: str = "", is_basic: bool = False
    ) -> None:
        options = [f"--user={user}", f"--password={password}", *["--basic"] * is_basic]
        self._process = subprocess.Popen(
            [PYTHON, __file__, *options, launch],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line.strip().isdigit():
            self.close()
            raise RuntimeError(f"gst-rtsp-server does not serve: {line.strip()}")
        self.port = int(line)

    @property
    def url(self) -> str:
        """The URL of the film."""
        return f"rtsp://{HOST}:{self.port}{MOUNT}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End, without a word to players."""
        self._process.kill()
        with self._process:
            pass


# --- The process --------------------------------------------------------------------------------


def serve(arguments: argparse.Namespace) -> None:
    """Print the port, or why there is none, and serve until stdin ends."""
    import gi  # type: ignore[import-not-found]

    gi.require_versions({"Gst": "1.0", "GstRtspServer": "1.0"})
    from gi.repository import GLib, Gst, GstRtspServer  # type: ignore[import-not-found]

    Gst.init(None)
    try:
        Gst.parse_launch(arguments.launch)
    except GLib.Error as fault:
        _say(fault.message)
        return
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(arguments.launch)
    server = GstRtspServer.RTSPServer()
    server.set_address(HOST)
    server.set_service("0")
    server.get_mount_points().add_factory(MOUNT, factory)
    if arguments.user:
        _ask_for_login(server, factory, arguments)
    loop = GLib.MainLoop()
    GLib.io_add_watch(sys.stdin, GLib.PRIORITY_DEFAULT, GLib.IO_HUP, lambda *_: loop.quit())
    if not server.attach(None):
        _say("it cannot listen")
        return
    _say(str(server.get_bound_port()))
    loop.run()


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _ask_for_login(server: Any, factory: Any, arguments: argparse.Namespace) -> None:
    """Let nobody watch but the one user."""
    from gi.repository import GstRtsp, GstRtspServer

    user, password = arguments.user, arguments.password
    token = GstRtspServer.RTSPToken.new()
    token.set_string(GstRtspServer.RTSP_TOKEN_MEDIA_FACTORY_ROLE, user)
    auth = GstRtspServer.RTSPAuth()
    if arguments.basic:
        auth.add_basic(auth.make_basic(user, password), token)
    else:
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        auth.add_digest(user, password, token)
    server.set_auth(auth)
    permissions = GstRtspServer.RTSPPermissions.new()
    for right in (
        GstRtspServer.RTSP_PERM_MEDIA_FACTORY_ACCESS,
        GstRtspServer.RTSP_PERM_MEDIA_FACTORY_CONSTRUCT,
    ):
        permissions.add_permission_for_role(user, right, True)
    factory.set_permissions(permissions)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Serve one film with gst-rtsp-server.")
    parser.add_argument("launch", help="pipeline whose payloader is called pay0")
    parser.add_argument("--user", default="", help="who may watch; everybody without it")
    parser.add_argument("--password", default="", help="what the user has to know")
    parser.add_argument("--basic", action="store_true", help="ask by Basic instead of Digest")
    return parser.parse_args()


if __name__ == "__main__":
    serve(_parse())
