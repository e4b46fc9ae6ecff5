"""Redis keeps a bounded number and size of responses, the newest ones."""

import pytest

from webapp.cache_backend import LARGEST_BYTES, MOST_BYTES, MOST_RESPONSES, ORDER, SIZES
from webapp.extensions import cache
from webapp.generation import KEY_PREFIX


@pytest.fixture
def keep(app):
    def keep(name: str, body: bytes) -> bool:
        with app.app_context():
            return cache.set(name, body)

    return keep


def kept(redis) -> dict[str, int]:
    """Return the size of each response that Redis holds, oldest first."""
    names = [key.decode().removeprefix(KEY_PREFIX) for key in redis.zrange(ORDER, 0, -1)]
    sizes = {name: redis.strlen(KEY_PREFIX + name) for name in names}
    assert len(redis.keys(f"{KEY_PREFIX}*:*")) == len(sizes)
    assert int(redis.hget(SIZES, "total")) == sum(sizes.values())
    assert redis.hlen(SIZES) == len(sizes) + 1
    return sizes


def test_the_oldest_responses_make_room_for_new_ones(redis, keep):
    for number in range(MOST_RESPONSES + 10):
        keep(f"1:{number}", b"body")

    assert list(kept(redis)) == [f"1:{number}" for number in range(10, MOST_RESPONSES + 10)]


def test_the_responses_together_are_bounded(redis, keep):
    body = bytes(LARGEST_BYTES)
    for number in range(MOST_BYTES // LARGEST_BYTES + 2):
        keep(f"1:{number}", body)

    assert sum(kept(redis).values()) == MOST_BYTES


def test_a_response_that_is_too_large_is_not_kept(redis, keep):
    assert not keep("1:large", bytes(LARGEST_BYTES + 1))
    assert redis.keys(f"{KEY_PREFIX}*") == []


def test_a_response_that_is_kept_again_counts_once_and_becomes_the_newest(redis, keep):
    for name, body in [("1:a", b"long body"), ("1:b", b"body"), ("1:a", b"body")]:
        keep(name, body)

    assert kept(redis) == {"1:b": 4, "1:a": 4}


def test_lost_bookkeeping_begins_again(redis, keep):
    keep("1:a", b"body")
    redis.delete(ORDER)
    redis.hset(SIZES, "total", MOST_BYTES)
    keep("1:b", b"body")

    assert redis.get(f"{KEY_PREFIX}1:b") == b"body"
    assert redis.hgetall(SIZES) == {b"total": b"4", f"{KEY_PREFIX}1:b".encode(): b"4"}
