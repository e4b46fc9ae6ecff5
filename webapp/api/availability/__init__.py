"""Availability: the share of runs that succeeded, by hour and day."""
