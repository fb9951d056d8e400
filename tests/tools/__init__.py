"""What the tests of the real world share."""
