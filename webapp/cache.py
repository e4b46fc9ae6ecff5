"""Responses cached by generation: never stale, and never required.

Flask-Caching keeps each response under the generation of the views that it was built from. A new generation
makes the old responses unreachable, and they expire; nothing is ever cleared. Generation and rows are read in
one snapshot, so that a slow reader can only store a response of the old generation that it read.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

import psycopg2
from flask import Response, request
from flask_caching import Cache
from redis import Redis, RedisError, ResponseError
from werkzeug.datastructures import Headers

from webapp import current, generation
from webapp.errors import DATABASE_UNREACHABLE
from webapp.extensions import db
from webapp.store import Connection, views

logger = logging.getLogger(__name__)

# How long Redis is left alone after a failed call, so that a hanging Redis delays one request a second.
REST_SECONDS = 1.0

# Sent with a response while PostgreSQL is unreachable: it is the newest that is known.
UNREACHABLE_HEADER = ("X-Database", "unreachable")

# What one process keeps of the newest generation, to answer without a round trip while it relies on the hint.
MOST_BODIES = 256
LARGEST_BODY = 1 << 16

# Returns whether the client already has the response of that generation.
Held = Callable[[int], bool]


class Found(NamedTuple):
    """A response; the body may be None if the client holds that generation."""

    generation: int
    body: bytes | None
    headers: tuple[tuple[str, str], ...] = ()


class Whole(Response):
    """A 200 with a body of known length, whose headers Werkzeug need not copy and correct when it is sent."""

    def get_wsgi_headers(self, environ: Any) -> Headers:
        """Return the headers as they are."""
        return self.headers


class Answers:
    """Answers requests from the cache, or from PostgreSQL if the cache has no current response."""

    def __init__(self, cache: Cache, redis: Redis, count: Callable[[str], None]):
        self._count = count
        self._cache = cache
        self._redis = redis
        self._latest = 0  # the newest generation that this process knows; saves a round trip
        self._relied_on = (0.0, 0)  # until when this process relies on which generation
        self._bodies: dict[str, tuple[int, bytes]] = {}  # by name, with their generations
        self._renewing = threading.Lock()
        self._resting_until = 0.0

    def respond(
        self, name: str, build: Callable[[Connection], bytes], content_type: str = "application/json"
    ) -> Response:
        """Return the response of that name, which must contain all parameters, or 304 if the client has it.

        `build` makes the body from a snapshot. Raises one of DATABASE_UNREACHABLE if the database is needed
        and unreachable.
        """
        return _response(self._find(name, build, _client_holds), content_type)

    def read(self, name: str, build: Callable[[Connection], bytes]) -> tuple[int, bytes]:
        """Return the generation and the body of that name, to be part of another response."""
        found = self._find(name, build, lambda number: False)
        return found.generation, found.body or b""

    def _find(self, name: str, build: Callable[[Connection], bytes], held: Held) -> Found:
        hinted, body = self._hinted(name)
        if hinted is not None and (body is not None or held(hinted)):
            self._count("cache_hit")
            return Found(hinted, body)
        try:
            return self._ask_database(name, hinted, build, held)
        except DATABASE_UNREACHABLE:
            number, body = self._last_known(name)
            if body is None:
                raise
            self._count("cache_hit")
            logger.warning("database unreachable: answered %s from generation %d", name, number)
            return Found(number, body, (UNREACHABLE_HEADER,))

    def _ask_database(
        self, name: str, hinted: int | None, build: Callable[[Connection], bytes], held: Held
    ) -> Found:
        claim = self._try_redis(lambda: generation.claim(self._redis)) if hinted is None else None
        with snapshot() as conn:
            number, changing = views.generation_and_change(conn)
            body = None
            if number != hinted:
                if not changing:
                    self._try_redis(lambda: generation.settle(self._redis, claim, number))
                body = self._cached(number, name)
            missed = body is None and not held(number)
            self._count("cache_miss" if missed else "cache_hit")
            if missed:
                body = build(conn)
                self._keep(number, name, body)
            return Found(number, body)

    def _hinted(self, name: str) -> tuple[int | None, bytes | None]:
        """Return the hinted generation and its body, from memory while this process relies on the hint."""
        if name not in self._bodies:
            return self._look_up(name)
        kept = self._kept(name)
        if kept is not None:
            return kept
        with self._renewing:  # otherwise each thread would ask Redis, while one answer serves all of them
            return self._kept(name) or self._look_up(name)

    def _kept(self, name: str) -> tuple[int, bytes] | None:
        until, number = self._relied_on
        kept = self._bodies.get(name)
        return kept if kept is not None and kept[0] == number and time.monotonic() < until else None

    def _look_up(self, name: str) -> tuple[int | None, bytes | None]:
        """Return the hinted generation and its body, in one round trip unless the generation is new."""
        begun, guess = time.monotonic(), self._latest
        hint, body = self._try_redis(
            lambda: self._cache.get_many(generation.HINT_NAME, _key(guess, name)), (None, None)
        )
        hinted = generation.parse(hint)
        if hinted is None:
            return None, None
        self._latest, self._relied_on = hinted, (begun + generation.PROCESS_SECONDS, hinted)
        if hinted != guess:
            body = self._cached(hinted, name)
        if body is not None and len(body) <= LARGEST_BODY:
            if len(self._bodies) >= MOST_BODIES:
                self._bodies.clear()
            self._bodies[name] = (hinted, body)
        return hinted, body

    def _last_known(self, name: str) -> tuple[int, bytes | None]:
        """Return the newest known generation and its body, for use while PostgreSQL is unreachable."""
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
        """Return what the call returns, or the default if Redis is unreachable or refuses the command."""
        if time.monotonic() < self._resting_until:
            return default
        try:
            return call()
        except ResponseError as error:  # such as a full memory, in which it can still be read
            logger.warning("Redis refused a command, continuing without it: %s", error)
        except RedisError as error:
            self._resting_until = time.monotonic() + REST_SECONDS
            logger.warning("Redis unreachable, continuing without cache: %s", error)
        return default


def answers() -> Answers:
    """Return the current app's Answers."""
    return current.app().extensions["answers"]


@contextmanager
def snapshot() -> Iterator[Connection]:
    """Yield a pooled connection in a read-only transaction whose queries all see one snapshot."""
    with db.engine.connect() as connection:
        conn: Any = connection.connection.driver_connection
        conn.set_session(isolation_level="REPEATABLE READ", readonly=True)  # sent with BEGIN
        try:
            yield conn
        finally:
            with suppress(psycopg2.Error):  # the pool drops a connection that is lost
                conn.rollback()
                # SQLAlchemy would let later transactions begin as READ WRITE, which a standby refuses.
                conn.set_session(isolation_level="DEFAULT", readonly="DEFAULT")


def _key(number: int, name: str) -> str:
    return f"{number}:{name}"


def etag(number: int) -> str:
    """Return the ETag of a generation, which is enough, since the URL contains the parameters."""
    return f"g{number}"


def _client_holds(number: int) -> bool:
    # A proxy that compresses responses makes the ETag weak.
    return request.if_none_match.contains_weak(etag(number))


def _response(found: Found, content_type: str) -> Response:
    number, body, more_headers = found
    if body is None or ("HTTP_IF_NONE_MATCH" in current.environ() and _client_holds(number)):
        response = Response(status=304, content_type=content_type)
    else:
        response = Whole(body, content_type=content_type)
    add = response.headers.add  # takes half the time of passing a list
    add("ETag", f'"{etag(number)}"')
    add("Cache-Control", "private, no-cache")
    add("Vary", "x-api-key")
    for name, value in more_headers:
        add(name, value)
    return response
