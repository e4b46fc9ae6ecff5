"""The barrier of an attempt's shards, which are threads of this process here."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from math import inf
from time import monotonic_ns
from uuid import uuid4

import pytest

from jobs import pulse
from jobs.barrier import Barrier, ShardError, Terms, clock_offset, open_barrier, terms_of
from llm_measure.load.prompts import Counting
from tests.jobs.system import until
from webapp.redis import queue_redis
from webapp.settings import Settings

TERMS = Terms(shards=3, plan="what is measured", counting=Counting(tokens_per_word=1.3))
MS = 1_000_000


@pytest.fixture
def token(redis):
    token = uuid4()
    open_barrier(redis, token, TERMS)
    return token


def fail(redis, token, number: int, reason: str) -> None:
    """Let the shard come and fail."""
    with suppress(ValueError), Barrier(redis, token, number, 3):
        raise ValueError(reason)


@pytest.fixture
def quick(monkeypatch):
    """A silence of half a second is a loss."""
    monkeypatch.setattr(pulse, "BEAT_SECONDS", 0.05)
    monkeypatch.setattr(pulse, "LOST_SECONDS", 0.5)


def patient() -> float:
    return inf


def test_shards_learn_the_terms_until_the_attempt_has_failed(redis, token):
    assert terms_of(redis, token) == TERMS
    assert terms_of(redis, uuid4()) is None

    fail(redis, token, 1, "broken")

    assert terms_of(redis, token) is None


@pytest.mark.usefixtures("quick")
def test_all_shards_begin_at_the_same_moment_a_little_ahead(redis, token):
    def take_part(number: int) -> tuple[int, int, float]:
        with Barrier(redis, token, number, 3) as barrier:
            barrier.gather(patient)
            begin_ns = barrier.begin()
            return begin_ns, monotonic_ns(), barrier.beginning.error_ms

    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(take_part, range(3)))

    # The threads share one clock, on which the moments differ by no more than the clocks are uncertain.
    begins = [begin for begin, _, _ in found]
    assert max(begins) - min(begins) <= 2 * max(error for _, _, error in found) * MS
    assert all(now < begin for begin, now, _ in found)


def test_the_offset_of_the_clock_is_known_to_within_a_round_trip(redis):
    offset_ns, uncertainty_ns = clock_offset(redis)

    seconds, microseconds = redis.time()
    redis_ns = (seconds * 1_000_000 + microseconds) * 1000
    assert monotonic_ns() + offset_ns == pytest.approx(redis_ns, abs=200 * MS)
    assert 0 < uncertainty_ns < 50 * MS


@pytest.mark.usefixtures("quick")
class TestThatAnAttemptFails:
    def test_when_too_few_shards_come(self, redis, token):
        with (
            pytest.raises(ShardError, match=r"^only 2 of 3 shards came within 0 s; start more workers$"),
            Barrier(redis, token, 1, 3),
            Barrier(redis, token, 0, 3) as barrier,
        ):
            barrier.gather(lambda: 0.2)

    def test_when_a_shard_that_came_falls_silent(self, redis, token):
        silent = Barrier(redis, token, 1, 3)
        silent.pulse.start()
        silent.pulse.stop()

        with pytest.raises(ShardError) as failed, Barrier(redis, token, 0, 3) as barrier:
            barrier.gather(patient)

        assert str(failed.value) == "shard 2 of 3 was lost: its worker stopped answering"

    def test_when_the_coordinating_shard_falls_silent(self, redis, token):
        silent = Barrier(redis, token, 0, 3)
        silent.pulse.start()
        silent.pulse.stop()

        with pytest.raises(ShardError) as failed, Barrier(redis, token, 2, 3) as barrier:
            barrier.gather(patient)

        assert str(failed.value) == "shard 1 of 3 was lost: its worker stopped answering"

    def test_with_a_reason_that_is_cut_and_always_a_text(self, redis, token):
        redis.hset(f"llm-benchmark:shards:{token}", mapping={"failure": b"\xff" + 5000 * b"a", b"\xff": 1})

        with pytest.raises(ShardError) as failed, Barrier(redis, token, 0, 3) as barrier:
            barrier.gather(patient)

        assert str(failed.value) == "\ufffd" + 999 * "a"

    def test_when_the_moment_to_begin_is_far_ahead(self, redis, token):
        redis.hset(f"llm-benchmark:shards:{token}", "start", (redis.time()[0] + 60) * 1_000_000)

        with pytest.raises(ShardError, match="too far ahead"), Barrier(redis, token, 0, 3) as barrier:
            barrier.begin()

    def test_for_all_when_one_fails(self, redis, token):
        fail(redis, token, 2, "environment variable KEY: not set")

        with pytest.raises(ShardError) as failed, Barrier(redis, token, 1, 3) as barrier:
            barrier.gather(patient)

        assert str(failed.value) == "shard 3 of 3: environment variable KEY: not set"


@pytest.mark.usefixtures("quick")
def test_a_shard_that_has_stored_its_result_may_fall_silent(redis, token):
    with Barrier(redis, token, 1, 2):
        pass

    with Barrier(redis, token, 0, 2) as barrier:
        barrier.gather(patient)
        assert until(lambda: barrier.pulse.fields["beat:0"] > "14") is not None
        barrier.check()


@pytest.mark.usefixtures("quick")
def test_nobody_is_lost_while_redis_is_unreachable(own_redis, environment):
    redis = queue_redis(Settings.from_env(environment))
    token = uuid4()
    open_barrier(redis, token, TERMS)
    with Barrier(redis, token, 1, 2), Barrier(redis, token, 0, 2) as barrier:
        barrier.gather(patient)
        own_redis.stop()
        own_redis.start()
        before = int(barrier.pulse.fields["beat:1"])
        until(lambda: int(barrier.pulse.fields["beat:1"]) != before)
        barrier.check()
