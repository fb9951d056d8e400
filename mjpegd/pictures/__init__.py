"""What a picture must be like for a viewer, and how any JPEG is made so."""
