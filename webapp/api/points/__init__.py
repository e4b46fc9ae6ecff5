"""Raw points to take away, as CSV or as JSON lines."""
