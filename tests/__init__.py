"""What needs the real world: the daemon as a process, and other people's players."""
