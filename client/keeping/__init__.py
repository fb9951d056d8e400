"""What is kept of a film: snapshots and recordings, as the frames came."""
