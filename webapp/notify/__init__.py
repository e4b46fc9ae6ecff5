"""Notifications: events of incidents and digests as messages to the targets of the benchmark file."""
