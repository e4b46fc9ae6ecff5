"""Measuring real endpoints: arrivals, client, records, and the metrics that are derived from them."""
