"""Flask-Caching's backend: responses as bytes in Redis, bounded in number and size, and the hint."""

import socket
import ssl
import struct
import threading
import time
from contextlib import suppress
from datetime import timedelta
from typing import Any

from flask import Flask
from flask_caching.backends.rediscache import RedisCache
from redis import Redis, ResponseError

from webapp import generation
from webapp.redis import cache_redis

# How long a response is kept, counted from its last use while PostgreSQL is unreachable.
ANSWER_SECONDS = 3600
# Redis keeps at most this number of responses, and this size of all of them, since anyone who may read can
# ask for any number of different ones.
MOST_RESPONSES = 2_000
MOST_BYTES = 64 << 20
LARGEST_BYTES = MOST_BYTES // 8  # of a response that is kept
ORDER = generation.KEY_PREFIX + "order"
SIZES = generation.KEY_PREFIX + "sizes"
# No key has this name; to delete it changes nothing, and is refused by a replica.
ABSENT = generation.KEY_PREFIX + "absent"

# Keys: the response, the order in which responses were kept, their sizes. Arguments: the response, its
# lifetime in seconds, MOST_RESPONSES, MOST_BYTES. The oldest responses make room.
KEEP = """
local key, order, sizes = KEYS[1], KEYS[2], KEYS[3]
local function count() return redis.call('ZCARD', order) end
local function size(name) return tonumber(redis.call('HGET', sizes, name) or 0) end
if count() == 0 then
    redis.call('DEL', sizes)
end
local time = redis.call('TIME')
redis.call('SET', key, ARGV[1], 'EX', ARGV[2])
redis.call('ZADD', order, time[1] * 1000000 + time[2], key)
redis.call('HINCRBY', sizes, 'total', #ARGV[1] - size(key))
redis.call('HSET', sizes, key, #ARGV[1])
while count() > tonumber(ARGV[3]) or (count() > 0 and size('total') > tonumber(ARGV[4])) do
    local oldest = redis.call('ZPOPMIN', order)[1]
    redis.call('DEL', oldest)
    redis.call('HINCRBY', sizes, 'total', -size(oldest))
    redis.call('HDEL', sizes, oldest)
end
"""


class HintConnection:
    """A connection to Redis for one thread, whose hints are trusted once those from before it have expired.

    A Redis that has just returned from a snapshot may hold a hint that was revoked in the meantime.
    """

    def __init__(self, redis: Redis):
        self._connection = redis.connection_pool.make_connection()
        self._connection.register_connect_callback(self._connected)
        self._trusted_from = 0.0

    def read(self, *keys: str) -> list[bytes | None]:
        """Return the values of the keys, the first of which is the hint, in one round trip.

        Every cached response waits for this call, and redis-py's pool and retries cost as much as the trip.
        Raises RedisError, and ends the connection, if the server is no longer a primary: a replica may lag.
        """
        commands = self._connection.pack_commands([("DEL", ABSENT), ("MGET", *keys)])
        self._connection.send_packed_command(commands, check_health=False)
        with suppress(ResponseError):  # such as a full disk; a replica's refusal is ReplicaError
            self._connection.read_response()
        values = self._connection.read_response()
        return values if time.monotonic() > self._trusted_from else [None, *values[1:]]

    def _connected(self, connection: Any) -> None:
        self._trusted_from = time.monotonic() + generation.LEASE_SECONDS
        if not isinstance(connection._sock, ssl.SSLSocket):
            _time_out_in_kernel(connection._sock)


def _time_out_in_kernel(sock: socket.socket) -> None:
    """Let the kernel end calls that take too long; redis-py takes its error for a lost connection.

    Python would poll before each call, which makes a cached response 7 to 9 % more expensive.
    """
    seconds, microseconds = divmod(round((sock.gettimeout() or 0) * 1_000_000), 1_000_000)
    sock.settimeout(None)
    for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
        sock.setsockopt(socket.SOL_SOCKET, option, struct.pack("ll", seconds, microseconds))


class RedisBytesCache(RedisCache):
    """Flask-Caching's Redis backend for bytes alone, so that nothing from Redis is ever unpickled.

    It is bounded in the number and the size of responses.
    """

    class _Bytes:
        @staticmethod
        def dumps(value: bytes) -> bytes:
            return value

        @staticmethod
        def loads(value: bytes | None) -> bytes | None:
            return value

    serializer = _Bytes()  # type: ignore[assignment]

    @classmethod
    def factory(
        cls, app: Flask, config: dict[str, Any], args: list[Any], kwargs: dict[str, Any]
    ) -> "RedisBytesCache":
        """Return the backend of an app; Flask-Caching calls this."""
        redis = cache_redis(app.extensions["settings"])
        return cls(host=redis, key_prefix=generation.KEY_PREFIX, default_timeout=ANSWER_SECONDS)

    def __init__(self, **options: Any):
        super().__init__(**options)
        self._threads = threading.local()

    def get_many(self, *keys: str) -> list[bytes | None]:
        """Return the values of the keys, the first of which is the hint, None unless it can be trusted."""
        connection = getattr(self._threads, "connection", None)
        if connection is None:
            connection = self._threads.connection = HintConnection(self._read_client)
        return connection.read(*(generation.KEY_PREFIX + key for key in keys))

    def set(self, key: str, value: bytes, timeout: int | timedelta | None = None) -> bool:
        """Keep the response for ANSWER_SECONDS, and remove the oldest ones if there are too many.

        Returns whether it is kept.
        """
        if len(value) > LARGEST_BYTES:
            return False
        keys = (generation.KEY_PREFIX + key, ORDER, SIZES)
        limits = (ANSWER_SECONDS, MOST_RESPONSES, MOST_BYTES)
        self._write_client.eval(KEEP, len(keys), *keys, value, *limits)
        return True
