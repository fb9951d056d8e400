"""What things cost; run by hand, one command each."""
