"""What a person sees and touches: the window, its parts, and the words and drawings in them."""
