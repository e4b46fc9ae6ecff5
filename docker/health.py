"""Exit with 0 if the container's process responds, else with 1; the image's HEALTHCHECK.

The API listens on HOST and PORT, scheduler and worker on METRICS_PORT. Any response below 500 counts as
healthy.
PostgreSQL and Redis are not checked: their failure is no reason to restart this container.
"""

import os
import sys

from webapp.probe import status

SECONDS = 3


def responds(host: str, port: int) -> bool:
    """Return whether a server on this machine responds with a status below 500."""
    found = status(host, port, "/healthz", SECONDS)
    return found is not None and found < 500


def is_healthy() -> bool:
    """Return whether the API, or the metrics of scheduler or worker, respond."""
    host = os.environ.get("HOST", "").strip()
    metrics_host = "" if host.startswith("unix:") else host
    return responds(host, int(os.environ.get("PORT") or 8001)) or responds(
        metrics_host, int(os.environ.get("METRICS_PORT") or 9100)
    )


if __name__ == "__main__":
    sys.exit(0 if is_healthy() else 1)
