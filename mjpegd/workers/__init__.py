"""Several processes behind one address: an acceptor, and workers that serve."""
