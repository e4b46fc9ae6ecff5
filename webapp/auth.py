"""API keys: compared in constant time, and guessed at most WRONG_KEYS_PER_MINUTE times a minute."""

import hmac
import logging
from hashlib import sha256
from ipaddress import IPv6Address, ip_address, ip_network
from threading import Lock
from typing import Any

from flask import request
from limits import RateLimitItem, RateLimitItemPerMinute
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import FixedWindowRateLimiter
from redis import Redis, RedisError
from werkzeug.datastructures import Authorization
from werkzeug.exceptions import Forbidden, TooManyRequests, Unauthorized

from webapp import current
from webapp.redis import cache_redis
from webapp.settings import Settings

logger = logging.getLogger(__name__)

HEADER = "x-api-key"
HEADER_IN_ENVIRON = "HTTP_X_API_KEY"
WRONG_KEYS_PER_MINUTE = 10
PREFIX = "llm-benchmark"
# How long all processes remember that a key was used from an address.
KNOWN_SECONDS = 30 * 24 * 3600
# Pairs of address and key that one process remembers; the oldest one is then forgotten.
MOST_KNOWN = 10_000


class KeyGuard:
    """Checks API keys; after too many wrong ones from an address, it refuses every key from there.

    Otherwise a guesser would only have to wait for the one answer that is not 429. A key that was used from
    the address before continues to work. Redis shares both among the processes; without it, each one has its
    own memory.
    """

    def __init__(self, settings: Settings, limit: RateLimitItem | None = None):
        self.digests = [digest(key) for key in settings.api_keys]
        self._limit = limit or RateLimitItemPerMinute(WRONG_KEYS_PER_MINUTE)
        self._redis: Redis = cache_redis(settings)
        # The pool is used in place of the URL.
        storage = RedisStorage("redis://", connection_pool=self._redis.connection_pool, key_prefix=PREFIX)
        self._shared = FixedWindowRateLimiter(storage)
        self._local = FixedWindowRateLimiter(MemoryStorage())
        self._known: dict[tuple[str, bytes], None] = {}
        self._lock = Lock()

    def admits(self, address: str | None, candidate: str, target: str) -> bool:
        """Return whether `candidate` is an API key; costs no call to Redis if it was used before.

        Raises TooManyRequests if the address has sent too many wrong keys within a minute.
        """
        address, candidate_digest = address or "unknown", digest(candidate)
        right = self._is_key(candidate_digest)
        if right and (address, candidate_digest) in self._known:
            return True
        network = network_of(address)
        name = _known_name(network, candidate_digest)
        # Wrong and right keys lead to the same calls, so that the time until a refusal does not reveal which.
        if not self._may_try(network, name):
            raise _too_many()
        if right:
            self._remember(address, candidate_digest, name)
        elif not self._count(network):
            raise _too_many()
        else:
            logger.warning("wrong API key from %s for %s", address, target)
        return right

    def _is_key(self, candidate_digest: bytes) -> bool:
        # All keys are compared, so that the time does not reveal which one matched.
        matches = [hmac.compare_digest(candidate_digest, right) for right in self.digests]
        return any(matches)

    def _may_try(self, network: str, name: str) -> bool:
        try:
            is_known, within_limit = self._redis.exists(name), self._shared.test(self._limit, network)
        except RedisError:
            is_known, within_limit = 0, self._local.test(self._limit, network)
        return bool(is_known) or within_limit

    def _count(self, network: str) -> bool:
        """Count a wrong key and return whether the network is still within its limit."""
        try:
            return self._shared.hit(self._limit, network)
        except RedisError:
            return self._local.hit(self._limit, network)

    def _remember(self, address: str, candidate_digest: bytes, name: str) -> None:
        with self._lock:
            if len(self._known) >= MOST_KNOWN:
                del self._known[next(iter(self._known))]
            self._known[address, candidate_digest] = None
        try:
            self._redis.set(name, 1, ex=KNOWN_SECONDS)
        except RedisError:
            logger.debug("Redis unreachable: only this process knows that the key was used from %s", address)


def digest(key: str) -> bytes:
    """Return the key's SHA-256, whose comparison does not reveal the key's length."""
    return sha256(key.encode("utf-8", "surrogatepass")).digest()


def network_of(address: str) -> str:
    """Return what wrong keys are counted by: an IPv4 address, or the /64 that one IPv6 customer has."""
    try:
        ip = ip_address(address)
    except ValueError:
        return address
    if isinstance(ip, IPv6Address):
        return str(ip.ipv4_mapped or ip_network((int(ip), 64), strict=False))
    return str(ip)


def check_key(candidate: str) -> bool:
    """Return whether the request's `candidate` is an API key, see `KeyGuard.admits`."""
    return _admits(candidate, current.environ())


def require_key() -> None:
    """Refuse a request without API key (401), with a wrong one (403), or after too many wrong ones (429)."""
    environ = current.environ()
    candidate = environ.get(HEADER_IN_ENVIRON)
    if not candidate:
        raise Unauthorized(f"API key missing; expected in the header {HEADER}")
    if not _admits(candidate, environ):
        raise Forbidden(f"Wrong API key in the header {HEADER}")


def authorization() -> Authorization | None:
    """Return the header Authorization; None if it is missing or unreadable."""
    try:
        return request.authorization
    except ValueError:  # credentials that are not ASCII
        return None


def _admits(candidate: str, environ: dict[str, Any]) -> bool:
    guard: KeyGuard = current.app().extensions["key_guard"]
    return guard.admits(environ.get("REMOTE_ADDR"), candidate, environ["PATH_INFO"])


def _known_name(network: str, candidate_digest: bytes) -> str:
    return f"{PREFIX}:known:{hmac.digest(candidate_digest, network.encode(), 'sha256').hex()}"


def _too_many() -> TooManyRequests:
    return TooManyRequests("Too many wrong API keys from this address; wait a minute", retry_after=60)
