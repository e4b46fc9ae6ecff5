"""Changes of level, for the worse and the better."""
