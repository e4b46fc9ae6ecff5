"""Raw points for download, as CSV or JSON Lines."""
