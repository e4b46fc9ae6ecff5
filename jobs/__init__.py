"""Processes: the scheduler, the worker, the jobs that it runs, and `make start`."""
