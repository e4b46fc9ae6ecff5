"""How exact the measuring itself is."""
