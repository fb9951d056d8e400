"""How many may come, and how much they may take."""
