"""Answers kept by generation: never stale, and never needed.

Each answer stands in Flask-Caching under the generation of the views that it was made from. A new generation
makes the old answers unreachable, and they expire; nothing is ever cleared. Generation and rows are read in
one snapshot, so a slow reader can only fill in an answer of its own, dead generation.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from flask import Flask, Response, current_app, request
from flask_caching import Cache
from flask_caching.backends.rediscache import RedisCache
from redis import Redis, RedisError

from webapp import generation
from webapp.errors import DATABASE_AWAY
from webapp.extensions import db
from webapp.redis import cache_redis
from webapp.store import Connection, views

logger = logging.getLogger(__name__)

# Those of dead generations lie about for so long; while PostgreSQL is away, those that are asked for stay.
ANSWER_SECONDS = 3600
# After a failed call Redis is left alone for so long, so that one that hangs costs one request a second.
REST_SECONDS = 1.0

# Whether the client holds the answer of that generation.
Held = Callable[[int], bool]


class RedisBytesCache(RedisCache):
    """Flask-Caching's Redis backend, for bytes and nothing else: so nothing from Redis is ever unpickled."""

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
        """Flask-Caching's way to make a backend."""
        redis = cache_redis(app.extensions["settings"])
        return cls(host=redis, key_prefix=generation.KEY_PREFIX, default_timeout=ANSWER_SECONDS)

    def __init__(self, **options: Any):
        super().__init__(**options)
        self._threads = threading.local()

    def get_many(self, *keys: str) -> list[bytes | None]:
        """The values of the keys, on a connection of this thread's own.

        It stands in the way of every cached answer, and redis-py's pool and retries cost as much as the trip.
        """
        connection = getattr(self._threads, "connection", None)
        if connection is None:
            connection = self._threads.connection = self._read_client.connection_pool.make_connection()
        connection.send_command("MGET", *(generation.KEY_PREFIX + key for key in keys), check_health=False)
        return connection.read_response()


class Answers:
    """Answers requests from the cache, or from PostgreSQL when the cache cannot."""

    def __init__(self, cache: Cache, redis: Redis, count: Callable[[str], None]):
        self._count = count
        self._cache = cache
        self._redis = redis
        self._latest = 0  # the newest generation this process has heard of; saves a round trip
        self._resting_until = 0.0

    def respond(
        self, name: str, build: Callable[[Connection], bytes], content_type: str = "application/json"
    ) -> Response:
        """The answer called `name`, which must hold every parameter; `build` makes it from a snapshot.

        Answers 304 when the client holds the current one. Raises one of DATABASE_AWAY when the database is
        needed and away.
        """
        return _response(*self._find(name, build, _client_holds), content_type)

    def read(self, name: str, build: Callable[[Connection], bytes]) -> tuple[int, bytes]:
        """That answer's generation and body, to be part of another answer, whatever the client holds."""
        number, body = self._find(name, build, lambda number: False)
        return number, body or b""

    def _find(self, name: str, build: Callable[[Connection], bytes], held: Held) -> tuple[int, bytes | None]:
        """The generation and its answer; maybe None if that generation is `held` already."""
        hinted, body = self._look_up(name)
        if hinted is not None and (body is not None or held(hinted)):
            self._count("cache_hit")
            return hinted, body
        try:
            return self._ask_database(name, hinted, build, held)
        except DATABASE_AWAY:
            number, body = self._last_known(name)
            if body is None:
                raise
            self._count("cache_hit")
            logger.warning("the database is away; answered %s from generation %d", name, number)
            return number, body

    def _ask_database(
        self, name: str, hinted: int | None, build: Callable[[Connection], bytes], held: Held
    ) -> tuple[int, bytes | None]:
        claim = self._try_redis(lambda: generation.claim(self._redis)) if hinted is None else None
        with snapshot() as conn:
            number = views.generation(conn)
            body = None
            if number != hinted:
                self._try_redis(lambda: generation.settle(self._redis, claim, number))
                body = self._cached(number, name)
            missed = body is None and not held(number)
            self._count("cache_miss" if missed else "cache_hit")
            if missed:
                body = build(conn)
                self._keep(number, name, body)
            return number, body

    def _look_up(self, name: str) -> tuple[int | None, bytes | None]:
        """The hinted generation and its answer, in one round trip as long as the generation stays."""
        guess = self._latest
        hint, body = self._try_redis(
            lambda: self._cache.get_many(generation.HINT_NAME, _key(guess, name)), (None, None)
        )
        hinted = generation.parse(hint)
        if hinted is None or hinted == guess:
            return hinted, body if hinted is not None else None
        self._latest = hinted
        return hinted, self._cached(hinted, name)

    def _last_known(self, name: str) -> tuple[int, bytes | None]:
        """For when PostgreSQL is away, and so no newer generation can come about."""
        number = self._try_redis(lambda: generation.last_known(self._redis), None) or self._latest
        body = self._cached(number, name)
        if body is not None:
            self._keep(number, name, body)  # for another ANSWER_SECONDS
        return number, body

    def _cached(self, number: int, name: str) -> bytes | None:
        return self._try_redis(lambda: self._cache.get(_key(number, name)))

    def _keep(self, number: int, name: str, body: bytes) -> None:
        self._try_redis(lambda: self._cache.set(_key(number, name), body))

    def _try_redis(self, call: Callable[[], Any], default: Any = None) -> Any:
        """What the call returns; the default if Redis is away."""
        if time.monotonic() < self._resting_until:
            return default
        try:
            return call()
        except RedisError as error:
            self._resting_until = time.monotonic() + REST_SECONDS
            logger.warning("Redis is away, going on without: %s", error)
            return default


def answers() -> Answers:
    """The app's one Answers."""
    return current_app.extensions["answers"]


@contextmanager
def snapshot() -> Iterator[Connection]:
    """A pooled connection in a read-only transaction in which every query sees the same moment."""
    options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    with db.engine.connect() as connection:
        yield connection.execution_options(**options).connection.driver_connection


def _key(number: int, name: str) -> str:
    return f"{number}:{name}"


def etag(number: int) -> str:
    """The generation is enough: an ETag belongs to one URL, which holds the parameters."""
    return f"g{number}"


def _client_holds(number: int) -> bool:
    # A proxy that compresses makes the ETag weak.
    return request.if_none_match.contains_weak(etag(number))


def _response(number: int, body: bytes | None, content_type: str) -> Response:
    """The answer, or 304 if there is no need of it."""
    not_modified = body is None or ("HTTP_IF_NONE_MATCH" in request.environ and _client_holds(number))
    headers = {
        "ETag": f'"{etag(number)}"',
        "Cache-Control": "private, no-cache",
        "Vary": "x-api-key",
    }
    status = 304 if not_modified else 200
    return Response(None if not_modified else body, status, headers, content_type=content_type)
