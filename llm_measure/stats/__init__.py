"""Statistics on values: summaries, histograms, ranks."""
