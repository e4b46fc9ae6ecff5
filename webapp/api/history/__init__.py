"""The values of a metric over time."""
