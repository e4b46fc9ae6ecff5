"""The project's gunicorn.conf.py with timeouts of one second."""

from runpy import run_path

globals().update(run_path("gunicorn.conf.py"))
worker_class = globals()["worker_class"]
worker_class.head_seconds = worker_class.body_seconds = 1
worker_class.response_seconds = worker_class.stall_seconds = 1
graceful_timeout = keepalive = 1
