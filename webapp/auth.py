"""API keys: compared in constant time; wrong ones are limited per address."""

import hmac
import logging
from hashlib import sha256

from flask import current_app, request
from limits import RateLimitItem, RateLimitItemPerMinute
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import FixedWindowRateLimiter
from redis import RedisError
from werkzeug.exceptions import Forbidden, TooManyRequests, Unauthorized

from webapp.redis import cache_redis
from webapp.settings import Settings

logger = logging.getLogger(__name__)

HEADER = "x-api-key"
WRONG_KEYS_PER_MINUTE = 10


class WrongKeyLimiter:
    """Limits the wrong keys of each address, in Redis for all processes or, without it, in this one."""

    def __init__(self, settings: Settings, limit: RateLimitItem | None = None):
        self.limit = limit or RateLimitItemPerMinute(WRONG_KEYS_PER_MINUTE)
        pool = cache_redis(settings).connection_pool
        storage = RedisStorage(settings.redis_url, connection_pool=pool, key_prefix="llm-benchmark")
        self._shared = FixedWindowRateLimiter(storage)
        self._local = FixedWindowRateLimiter(MemoryStorage())

    def hit(self, address: str) -> bool:
        """Count a wrong key and return whether the address is still within its limit."""
        try:
            return self._shared.hit(self.limit, address)
        except RedisError:
            return self._local.hit(self.limit, address)


def key_digests(settings: Settings) -> list[bytes]:
    """Return the keys' digests, of equal length, so that comparisons do not reveal a key's length."""
    return [digest(key) for key in settings.api_keys]


def digest(key: str) -> bytes:
    """Return the key's SHA-256, which is what comparisons use."""
    return sha256(key.encode("utf-8", "surrogatepass")).digest()


def is_key(candidate: str) -> bool:
    """Return whether `candidate` is an API key, in constant time."""
    return matches(current_app.extensions["key_digests"], candidate)


def matches(digests: list[bytes], candidate: str) -> bool:
    """Return whether `candidate` has one of the digests, in constant time."""
    candidate_digest = digest(candidate)
    # All keys are compared, so that the time does not reveal which one matched.
    matches = [hmac.compare_digest(candidate_digest, right) for right in digests]
    return any(matches)


def refuse_wrong_key() -> None:
    """Count a wrong key; raises TooManyRequests if its address has sent too many within a minute."""
    limiter: WrongKeyLimiter = current_app.extensions["wrong_keys"]
    address = request.remote_addr or "unknown"
    if not limiter.hit(address):
        raise TooManyRequests("Too many wrong API keys from this address; wait a minute", retry_after=60)
    logger.warning("wrong API key from %s for %s", address, request.path)


def require_key() -> None:
    """Refuse a request without API key (401), with a wrong one (403), or after too many wrong ones (429)."""
    candidate = request.headers.get(HEADER)
    if not candidate:
        raise Unauthorized(f"API key missing; expected in the header {HEADER}")
    if not is_key(candidate):
        refuse_wrong_key()
        raise Forbidden(f"Wrong API key in the header {HEADER}")
