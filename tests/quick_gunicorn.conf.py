"""The project's gunicorn.conf.py with timeouts of one second."""

from runpy import run_path

globals().update(run_path("gunicorn.conf.py"))
worker_class = globals()["worker_class"]
worker_class.request_seconds = worker_class.send_seconds = graceful_timeout = 1
