"""The plan that all processes share: in Redis, the text of the benchmark file that a scheduler adopted last.

Redis is not trusted with where keys are sent. So a process that asks endpoints takes the text from there only
if its own file says the same, or if a process that knows a secret has vouched for it: the last right content
outlives a broken file even where all processes are replaced.
"""

import hashlib
import hmac
import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import cast

from redis import Redis, RedisError

from webapp.settings import Settings

PLAN = "llm-benchmark:plan"
VOUCHER = "llm-benchmark:plan:voucher"
# Expires unless a scheduler whose file has the plan's content renews it.
HELD = "llm-benchmark:plan:held"
HELD_SECONDS = 5
FAULTS = "llm-benchmark:plan:faults"
LATEST = 250_000_000_000  # Unix seconds, in the year 9892


@dataclass(frozen=True)
class Report:
    """The faults of the benchmark file that a scheduler has found: their number, and when (Unix seconds)."""

    faults: int
    since: int


class SharedPlan:
    """The plan in Redis; each method raises redis.RedisError if that is unreachable."""

    def __init__(self, settings: Settings, redis: Redis):
        self._redis = redis
        # Of secrets, what the processes of each deployment share; without any, nobody vouches.
        self._secret = settings.postgres_password or settings.secret_key or "".join(settings.api_keys[:1])

    def text(self) -> str | None:
        """Return the text of the plan; None if there is none."""
        found = cast("bytes | None", self._redis.get(PLAN))
        with suppress(UnicodeDecodeError):  # not written by a scheduler
            return None if found is None else found.decode()
        return None

    def put(self, text: str) -> None:
        """Replace the plan."""
        self._redis.set(PLAN, text)

    def hold(self, text: str) -> None:
        """Note that a scheduler's file has this content now."""
        self._redis.set(HELD, _digest(text), ex=HELD_SECONDS)

    def is_held(self, text: str) -> bool:
        """Return whether a scheduler's file has had this content in the last seconds."""
        return self._redis.get(HELD) == _digest(text).encode()

    @property
    def can_vouch(self) -> bool:
        """Whether this process knows a secret."""
        return bool(self._secret)

    def vouch(self, text: str) -> None:
        """Confirm that a file had this content, to processes that know the same secret."""
        if self.can_vouch:
            self._redis.set(VOUCHER, self._signature(text))

    def is_vouched(self, text: str) -> bool:
        """Return whether a process that knows the same secret has vouched for this content."""
        found = cast("bytes | None", self._redis.get(VOUCHER))
        return bool(found and self._secret) and hmac.compare_digest(found or b"", self._signature(text))

    def report(self, report: Report) -> None:
        """Report a scheduler's faults for some seconds."""
        self._redis.set(FAULTS, json.dumps(asdict(report)), ex=HELD_SECONDS)

    def _signature(self, text: str) -> bytes:
        key = hashlib.sha256(f"benchmark file\0{self._secret}".encode()).digest()
        return hmac.new(key, text.encode(), "sha256").hexdigest().encode()


def reported(redis: Redis) -> Report | None:
    """Return the faults that a scheduler has; None if there are none, or Redis is unreachable."""
    try:
        found = json.loads(cast("bytes | None", redis.get(FAULTS)) or b"null")
        report = Report(int(found["faults"]), int(found["since"])) if found else None
    except (RedisError, ValueError, TypeError, LookupError):
        return None
    return report if report and 0 <= report.since <= LATEST else None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
