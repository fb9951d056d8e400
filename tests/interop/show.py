"""Write what a library shows as raw RGB pictures, one behind the other.

show.py av|cv2 OUTPUT SOURCE [TRANSPORT [START_S]]
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

TIMEOUT_S = 10.0


def with_pyav(source: str, transport: str | None, start_s: float | None) -> Iterator[bytes]:
    """The pictures as PyAV has them, from a time on."""
    import av

    # FFmpeg 9 looks at certificates, unless it is told not to.
    options = {"rtsp_transport": transport, "tls_verify": "0"} if transport else {}
    with av.open(
        source, format=None if transport else "mjpeg", options=options, timeout=TIMEOUT_S
    ) as container:
        if start_s is not None:
            container.seek(round(start_s * 1_000_000))
        for frame in container.decode(video=0):
            yield frame.to_ndarray(format="rgb24").tobytes()


def with_opencv(source: str, transport: str | None, start_s: float | None) -> Iterator[bytes]:
    """The pictures as OpenCV has them, from a time on."""
    if transport:
        os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"] = f"rtsp_transport;{transport}"
    import cv2

    capture = cv2.VideoCapture(source, cv2.CAP_FFMPEG)
    if start_s is not None:
        capture.set(cv2.CAP_PROP_POS_MSEC, start_s * 1000)
    while True:
        is_there, picture = capture.read()
        if not is_there:
            return
        yield picture[:, :, ::-1].tobytes()


def main(library: str, output: str, source: str, *more: str) -> None:
    """Show a file, or a stream over a transport and from a time on."""
    transport = more[0] if more else None
    start_s = float(more[1]) if more[1:] else None
    pictures = {"av": with_pyav, "cv2": with_opencv}[library](source, transport, start_s)
    with Path(output).open("wb") as file:
        file.writelines(pictures)


if __name__ == "__main__":
    main(*sys.argv[1:])
