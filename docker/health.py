"""Whether the container's process answers; the image's HEALTHCHECK. Asks nothing of PostgreSQL and Redis.

The API answers on PORT, scheduler and worker on METRICS_PORT; any answer but an error of the server will do.
"""

import os
import sys
from http.client import HTTPConnection, HTTPException

SECONDS = 3


def answers(port: int) -> bool:
    """Whether something on this machine answers HTTP on the port."""
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
