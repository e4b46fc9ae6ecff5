"""Incidents: what got worse or failed, since when, and what people have done about it."""
