"""Requests to a server on this machine, which no http_proxy of the environment intercepts."""

import socket
from http.client import HTTPConnection, HTTPException

# Where a server that listens on every address is reached.
LOCAL = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  (not bound)


class _UnixConnection(HTTPConnection):
    def __init__(self, path: str, timeout: float):
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def status(host: str, port: int, path: str, seconds: float) -> int | None:
    """Return the status of GET `path` at a server with these HOST and PORT; None if it does not respond."""
    connection = (
        _UnixConnection(host.removeprefix("unix:"), seconds)
        if host.startswith("unix:")
        else HTTPConnection(LOCAL.get(host, host), port, timeout=seconds)
    )
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, HTTPException):
        return None
    finally:
        connection.close()
