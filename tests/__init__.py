"""What needs the real world: the daemon as a process, and other people's players."""

import signal

# Shells let what runs in the background ignore Ctrl-C, and its children inherit that; but some
# tests interrupt a child.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
