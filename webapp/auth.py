"""The header key: checked in constant time; wrong ones are counted and slowed down."""

import hmac
import logging
from hashlib import sha256

from flask import current_app, request
from limits import RateLimitItem, RateLimitItemPerMinute
from limits.storage import MemoryStorage, RedisStorage, Storage
from limits.strategies import FixedWindowRateLimiter
from redis import RedisError
from werkzeug.exceptions import Forbidden, TooManyRequests, Unauthorized

from webapp.redis import cache_redis
from webapp.settings import Settings

logger = logging.getLogger(__name__)

HEADER = "x-api-key"
WRONG_KEYS_PER_MINUTE = 10


class WrongKeyLimiter:
    """Counts the wrong keys of each address, in Redis for all processes or, without it, in this one."""

    def __init__(self, settings: Settings, limit: RateLimitItem | None = None):
        self.limit = limit or RateLimitItemPerMinute(WRONG_KEYS_PER_MINUTE)
        pool = cache_redis(settings).connection_pool
        self._shared = _limiter(
            RedisStorage(settings.redis_url, connection_pool=pool, key_prefix="llm-benchmark")
        )
        self._own = _limiter(MemoryStorage())

    def hit(self, address: str) -> bool:
        """Count one more wrong key; False if the address has used up its share of this minute."""
        try:
            return self._shared.hit(self.limit, address)
        except RedisError:
            return self._own.hit(self.limit, address)


def _limiter(storage: Storage) -> FixedWindowRateLimiter:
    return FixedWindowRateLimiter(storage)


def key_digests(settings: Settings) -> list[bytes]:
    """What the keys that are sent are compared with; of one length, so that no comparison tells a key's."""
    return [digest(key) for key in settings.api_keys]


def digest(key: str) -> bytes:
    """What stands for the key in comparisons."""
    return sha256(key.encode("utf-8", "surrogatepass")).digest()


def is_key(candidate: str) -> bool:
    """Whether `candidate` is one of the keys, in a time that tells nothing about them."""
    return matches(current_app.extensions["key_digests"], candidate)


def matches(digests: list[bytes], candidate: str) -> bool:
    """Whether `candidate` is a key of one of the digests, in a time that tells nothing about them."""
    candidate_digest = digest(candidate)
    # Every key is compared, so that the time does not tell which one matched.
    matches = [hmac.compare_digest(candidate_digest, right) for right in digests]
    return any(matches)


def refuse_wrong_key() -> None:
    """Count a wrong key; raises TooManyRequests once its address has sent too many in a minute."""
    limiter: WrongKeyLimiter = current_app.extensions["wrong_keys"]
    address = request.remote_addr or "unknown"
    if not limiter.hit(address):
        raise TooManyRequests("too many wrong keys from this address; wait a minute", retry_after=60)
    logger.warning("wrong key from %s for %s", address, request.path)


def require_key() -> None:
    """Refuse the request unless it carries a key: 401 without, 403 with a wrong one, 429 after too many."""
    candidate = request.headers.get(HEADER)
    if not candidate:
        raise Unauthorized(f"send your API key in the header {HEADER}")
    if not is_key(candidate):
        refuse_wrong_key()
        raise Forbidden(f"the API key in the header {HEADER} is wrong")
