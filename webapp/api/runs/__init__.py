"""Runs: what was done, what is being done, and how to ask for one."""
