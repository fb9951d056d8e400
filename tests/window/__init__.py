"""The player's window on a real screen, with a real daemon behind it."""
