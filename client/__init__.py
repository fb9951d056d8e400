"""The player: watches any RTSP server's Motion JPEG, and shows what the network does to it.

It is the second user of `mjpegd.wire`, and proves it from the other side. Here the package is
called ``client``; installed, ``mjpegd_client``.
"""
