"""What becomes of packets: taken in, counted, put in order, made frames, placed in the film."""
