"""Signs of life between the shards of an attempt, so that the loss of one is noticed within seconds.

Each shard counts up a field of the attempt's hash in Redis. The first shard, whose job coordinates, watches
all others, and each of these watches the first. While Redis is unreachable nobody is taken for lost: the
database alone decides what is stored.
"""

import logging
import threading
import time
from collections.abc import Collection

from redis import Redis, RedisError

from llm_measure.client.shards import name

logger = logging.getLogger(__name__)

BEAT_SECONDS = 0.5
# For how long a shard may be silent.
LOST_SECONDS = 5.0
# How long the hash outlives its last shard.
KEY_SECONDS = 60
FAILURE = "failure"
LONGEST_TEXT = 1000


class Pulse:
    """One shard's signs of life, in a thread, and what it knows of the others: a measurement's `stop`.

    `fields` is the attempt's hash, at most BEAT_SECONDS old; `failure` says why the attempt has failed.
    """

    def __init__(self, redis: Redis, key: str, number: int, shards: int):
        self.fields: dict[str, str] = {}
        self.failure: str | None = None
        self._redis = redis
        self._key = key
        self._number = number
        self._shards = shards
        self._watched: Collection[int] = (0,) if number else range(1, shards)
        self._changed: dict[int, tuple[str, float]] = {}  # the newest sign of each, and since when
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin to show signs of life; raises RedisError if that is impossible from the start."""
        self._beat()
        self._thread.start()

    def stop(self) -> None:
        """End the signs of life."""
        self._ended.set()
        self._thread.join()

    def is_set(self) -> bool:
        """Return whether the attempt has failed, so that nobody needs to continue."""
        return self.failure is not None

    def _run(self) -> None:
        while not self._ended.wait(BEAT_SECONDS):
            try:
                self._beat()
            except RedisError as error:
                logger.warning("shards: no signs of life: Redis unreachable: %s", error)
                self._changed.clear()

    def _beat(self) -> None:
        with self._redis.pipeline(transaction=False) as pipeline:
            pipeline.hincrby(self._key, sign(self._number), 1)
            pipeline.expire(self._key, KEY_SECONDS)
            pipeline.hgetall(self._key)
            found = pipeline.execute()[-1]
        self.fields = {_text(field): _text(value) for field, value in found.items()}
        self.failure = self.failure or self.fields.get(FAILURE) or self._loss()

    def _loss(self) -> str | None:
        """Return which watched shard is silent for too long, in words; None if none is."""
        moment = time.monotonic()
        for number in self._watched:
            beat = self.fields.get(sign(number))
            if beat is None or done(number) in self.fields:
                self._changed.pop(number, None)
                continue
            known, since = self._changed.get(number, (None, moment))
            self._changed[number] = (beat, since if known == beat else moment)
            if moment - self._changed[number][1] > LOST_SECONDS:
                return f"{name(number, self._shards)} was lost: its worker stopped answering"
        return None


def _text(content: bytes) -> str:
    """Return what Redis holds, which is not trusted, as a text that may be shown with a run."""
    return content[:LONGEST_TEXT].decode(errors="replace")


def sign(number: int) -> str:
    """Return the field that the shard counts up."""
    return f"beat:{number}"


def done(number: int) -> str:
    """Return the field that says that the shard has stored its result."""
    return f"done:{number}"
