"""Connections to a primary: they end when the server turns out to be a replica, or not to serve.

The next command then connects again, and finds the new primary behind the server's name, or by the sentinels.
"""

from typing import Any

from redis.connection import Connection, SSLConnection, UnixDomainSocketConnection
from redis.exceptions import ConnectionError, MasterDownError, ReadOnlyError, ResponseError
from redis.sentinel import SentinelManagedConnection, SentinelManagedSSLConnection


class ReplicaError(ConnectionError):
    """The server is a read-only replica."""


class _PrimaryConnection:
    """Ends the connection on every error after which the server is not the primary that it was."""

    def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        """Send the command, over a new connection if there is none.

        redis-py would connect to the server that a sentinel named last, without asking again.
        """
        if not self._sock:  # type: ignore[attr-defined]
            self.connect()  # type: ignore[attr-defined]
        super().send_packed_command(command, check_health)  # type: ignore[misc]

    def read_response(self, disable_decoding: bool = False, **options: Any) -> Any:
        """Return the response to the oldest command without one.

        redis-py's connections to a sentinel's server would stay open after a timeout, and the late response
        would be taken for the one to the next command.
        """
        options["disconnect_on_error"] = True
        try:
            return super().read_response(disable_decoding, **options)  # type: ignore[misc]
        except ConnectionError:  # also what a server replies that is loading its data
            self.disconnect()  # type: ignore[attr-defined]
            raise
        except ResponseError as error:
            if not _is_from_replica(error):
                raise
            self.disconnect()  # type: ignore[attr-defined]
            raise ReplicaError(f"the server is a replica: {error}") from error


def _is_from_replica(error: ResponseError) -> bool:
    # Before Redis 7, the error of a script is no ReadOnlyError, but contains its code.
    return isinstance(error, ReadOnlyError | MasterDownError) or "-READONLY" in str(error)


class TCPConnection(_PrimaryConnection, Connection):
    """A connection to a host."""


class TLSConnection(_PrimaryConnection, SSLConnection):
    """A connection to a host with TLS."""


class SocketConnection(_PrimaryConnection, UnixDomainSocketConnection):
    """A connection to a Unix socket."""


class SentinelTCPConnection(SentinelManagedConnection, TCPConnection):  # type: ignore[misc]
    """A connection to the primary that the sentinels name."""


class SentinelTLSConnection(SentinelManagedSSLConnection, TLSConnection):  # type: ignore[misc]
    """A connection with TLS to the primary that the sentinels name."""
