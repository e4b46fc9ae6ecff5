"""Connections to a primary: they end when the server turns out to be a replica, or not to serve.

The next command then connects again, and finds the new primary behind the server's name, or by the sentinels.
"""

import time
from typing import Any

from redis import RedisError
from redis.connection import Connection, SSLConnection, UnixDomainSocketConnection
from redis.exceptions import ConnectionError, MasterDownError, ReadOnlyError, ResponseError
from redis.sentinel import SentinelManagedConnection, SentinelManagedSSLConnection

# How often the sentinels are asked whether a connection still leads to the primary.
ASK_SECONDS = 1


class ReplicaError(ConnectionError):
    """The server is a read-only replica, or the sentinels name another primary."""


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


class _SentinelConnection:
    """Ends the connection when the sentinels name another primary.

    In a planned failover, they leave the former primary writable, with its clients, for about ten seconds.
    """

    _asked = 0.0

    def connect_to(self, address: tuple[str, int]) -> None:
        """Connect to what the sentinels have just named."""
        self._asked = time.monotonic()
        super().connect_to(address)  # type: ignore[misc]

    def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        """Send the command; raises ReplicaError if there is another primary, since a WATCH would be lost."""
        if self._sock and time.monotonic() - self._asked > ASK_SECONDS:  # type: ignore[attr-defined]
            self._ask()
        super().send_packed_command(command, check_health)  # type: ignore[misc]

    def _ask(self) -> None:
        self._asked = time.monotonic()
        try:
            address = self.connection_pool.get_master_address()  # type: ignore[attr-defined]
        except RedisError:  # without sentinels, the connection is used as long as it works
            return
        if address != (self.host, self.port):  # type: ignore[attr-defined]
            self.disconnect()  # type: ignore[attr-defined]
            raise ReplicaError("the sentinels name another primary")


class SentinelTCPConnection(_SentinelConnection, SentinelManagedConnection, TCPConnection):  # type: ignore[misc]
    """A connection to the primary that the sentinels name."""


class SentinelTLSConnection(_SentinelConnection, SentinelManagedSSLConnection, TLSConnection):  # type: ignore[misc]
    """A connection with TLS to the primary that the sentinels name."""
