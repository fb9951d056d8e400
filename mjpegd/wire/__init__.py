"""What things look like: pure formats.

No Twisted, socket, file, thread, clock or randomness: whoever needs one hands in its result.
"""
