"""The hint may be lost, late or garbage, and responses are still current."""

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
def test_with_any_hint_the_response_is_right(client, redis, settings, key, garbage):
    show_run(settings, redis, 1)
    right = answered(client)
    redis.set(key, garbage)

    assert [answered(client) for _ in range(2)] == [right] * 2


@pytest.mark.parametrize("key", [HINT, LAST_KNOWN])
def test_with_a_hint_of_another_type_the_response_is_right(client, redis, key):
    right = answered(client)
    redis.delete(key)
    redis.lpush(key, "x")

    assert answered(client) == right


def test_a_lost_hint_is_set_again(client, redis):
    number, _ = answered(client)
    redis.flushall()

    answered(client)
    assert redis.get(HINT) == b"%d" % number


def test_a_hint_expires_soon(client, redis, settings):
    for write in (lambda: answered(client), lambda: show_run(settings, redis, 1)):
        write()
        assert 0 < redis.ttl(HINT) <= HINT_SECONDS


def test_a_slow_reader_does_not_set_the_hint_after_a_publication(redis):
    claim = generation.claim(redis)
    generation.publish(redis, 8)
    generation.settle(redis, claim, 7)

    assert (redis.get(HINT), redis.get(LAST_KNOWN)) == (b"8", b"8")


@pytest.mark.parametrize("lost", [HINT, LAST_KNOWN])
def test_a_slow_reader_does_not_set_the_hint_after_redis_has_lost_the_newer_one(redis, lost):
    claim = generation.claim(redis)
    generation.publish(redis, 8)
    redis.delete(HINT, lost)
    generation.settle(redis, claim, 7)

    assert redis.get(HINT) is None


def test_a_slow_reader_does_not_set_the_hint_after_another_reader_has_claimed_it(redis):
    slow = generation.claim(redis)
    redis.delete(HINT)
    quick = generation.claim(redis)
    generation.settle(redis, slow, 7)
    generation.settle(redis, quick, 8)

    assert redis.get(HINT) == b"8"


def test_one_reader_at_a_time_claims_the_hint_and_none_during_a_refresh(redis):
    assert generation.claim(redis)
    assert not generation.claim(redis)
    redis.delete(HINT)
    generation.announce(redis)
    assert not generation.claim(redis)
