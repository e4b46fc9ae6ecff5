"""Reports: what a measurement found, as JSON, as CSV and as tables."""
