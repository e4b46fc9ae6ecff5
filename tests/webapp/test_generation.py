"""The hint may be lost, late or garbage: the answer is right."""

import pytest

from tests.web import answered, show_run
from webapp import generation
from webapp.generation import CHANGING, HINT, HINT_SECONDS, LAST_KNOWN


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"x",
        b"-1",
        b"1.5",
        b" 7",
        b"0",
        b"\xb2",
        b"7" * 18,
        b"9" * 5000,
        b"\x80\x04.",
        CHANGING,
        b"claimed-x",
    ],
)
@pytest.mark.parametrize("key", [HINT, LAST_KNOWN])
def test_a_hint_may_be_anything_and_the_answer_is_right(client, redis, settings, key, garbage):
    show_run(settings, redis, 1)
    right = answered(client)
    redis.set(key, garbage)

    assert [answered(client) for _ in range(2)] == [right] * 2


@pytest.mark.parametrize("key", [HINT, LAST_KNOWN])
def test_a_hint_may_be_of_another_type(client, redis, key):
    right = answered(client)
    redis.delete(key)
    redis.lpush(key, "x")

    assert answered(client) == right


def test_a_hint_is_made_again_when_it_is_lost(client, redis):
    number, _ = answered(client)
    redis.flushall()

    answered(client)
    assert redis.get(HINT) == b"%d" % number


def test_a_hint_expires_soon_whoever_wrote_it(client, redis, settings):
    for write in (lambda: answered(client), lambda: show_run(settings, redis, 1)):
        write()
        assert 0 < redis.ttl(HINT) <= HINT_SECONDS


def test_a_hint_is_not_put_back_by_a_slow_reader_after_a_publication(redis):
    claim = generation.claim(redis)
    generation.publish(redis, 8)
    generation.settle(redis, claim, 7)

    assert (redis.get(HINT), redis.get(LAST_KNOWN)) == (b"8", b"8")


@pytest.mark.parametrize("lost", [HINT, LAST_KNOWN])
def test_a_hint_is_not_put_back_by_a_slow_reader_when_redis_has_lost_the_newer_one(redis, lost):
    claim = generation.claim(redis)
    generation.publish(redis, 8)
    redis.delete(HINT, lost)
    generation.settle(redis, claim, 7)

    assert redis.get(HINT) is None


def test_a_hint_is_not_put_back_by_a_slow_reader_when_another_has_claimed_the_place(redis):
    slow = generation.claim(redis)
    redis.delete(HINT)
    quick = generation.claim(redis)
    generation.settle(redis, slow, 7)
    generation.settle(redis, quick, 8)

    assert redis.get(HINT) == b"8"


def test_a_hint_is_claimed_by_one_reader_at_a_time_and_by_none_during_a_refresh(redis):
    assert generation.claim(redis)
    assert not generation.claim(redis)
    redis.delete(HINT)
    generation.announce(redis)
    assert not generation.claim(redis)
