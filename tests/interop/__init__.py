"""Players that we did not write show what is in the files."""
