"""Watches the runs: availability, changes of level, and incidents."""
