"""mjpegd makes every film in a folder an RTSP camera.

RTSP (RFC 2326) controls, RTP with the JPEG payload (RFC 3550, RFC 2435) carries. The packages
and modules are the design: `mjpegd.wire` knows what things look like, everything else knows
what to do with them. ARCHITECTURE.md tells the rest on one page.
"""

__version__ = "0.1.0"
