"""Exit with 0 if the container's process responds, else with 1; the image's HEALTHCHECK.

The API listens on PORT, scheduler and worker on METRICS_PORT. Any response below 500 counts as healthy.
PostgreSQL and Redis are not checked: their failure is no reason to restart this container.
"""

import os
import sys
from http.client import HTTPConnection, HTTPException

SECONDS = 3


def answers(port: int) -> bool:
    """Return whether an HTTP server on this machine responds on the port with a status below 500."""
    connection = HTTPConnection("localhost", port, timeout=SECONDS)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status < 500
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    ports = [int(os.environ.get("PORT") or 8001), int(os.environ.get("METRICS_PORT") or 9100)]
    sys.exit(0 if any(answers(port) for port in ports) else 1)
