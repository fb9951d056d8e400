"""The `mjpeg-rtsp` command of twistd; listing plugins imports nothing of ours."""

from twisted.application.service import ServiceMaker

mjpeg_rtsp = ServiceMaker(
    "mjpegd",
    "mjpegd.service",
    "Serve a folder of MJPEG films as RTSP cameras.",
    "mjpeg-rtsp",
)
