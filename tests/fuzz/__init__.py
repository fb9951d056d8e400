"""Damaged, hostile and made-up JPEGs by the million: `python -m tests.fuzz`."""
