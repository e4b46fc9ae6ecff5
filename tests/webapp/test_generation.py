"""The hint may be lost, late or garbage, and responses are still current."""

import time
from contextlib import closing

import pytest
from redis import Redis

from jobs.embedded import NO_RETRY
from tests.web import answered, show_run
from webapp import generation
from webapp.generation import CLAIM_SECONDS, HINT, HINT_SECONDS, LAST_KNOWN
from webapp.store import views


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
        b"revoked-x",
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


def test_a_hint_expires_soon(client, redis):
    answered(client)

    assert 0 < redis.ttl(HINT) <= HINT_SECONDS


def test_a_revocation_outlives_every_claim_from_before_it_and_expires_soon(redis):
    generation.claim(redis)
    redis.pexpire(HINT, CLAIM_SECONDS * 500)  # as after half of its time
    before = redis.pttl(HINT)
    generation.revoke(redis)

    assert before < redis.pttl(HINT) <= CLAIM_SECONDS * 1000


@pytest.mark.parametrize("lost", [(), (HINT,), (HINT, LAST_KNOWN)])
def test_a_slow_reader_does_not_set_the_hint_after_a_change(redis, lost):
    claim = generation.claim(redis)
    generation.withdraw(redis, generation.revoke(redis), 8)
    if lost:
        redis.delete(*lost)
    generation.settle(redis, claim, 7)

    assert redis.get(HINT) is None


def test_the_last_known_generation_only_rises(redis):
    for number in (8, 7):
        generation.settle(redis, generation.claim(redis), number)
        generation.withdraw(redis, generation.revoke(redis), number)

    assert redis.get(LAST_KNOWN) == b"8"


def test_a_late_withdrawal_leaves_the_revocation_of_another_change(redis):
    early, late = generation.revoke(redis), generation.revoke(redis)
    generation.withdraw(redis, early, 7)

    assert redis.get(HINT) == late.encode()


def test_a_slow_reader_does_not_set_the_hint_after_another_reader_has_claimed_it(redis):
    slow = generation.claim(redis)
    redis.delete(HINT)
    quick = generation.claim(redis)
    generation.settle(redis, slow, 7)
    generation.settle(redis, quick, 8)

    assert redis.get(HINT) == b"8"


def test_one_reader_at_a_time_claims_the_hint_and_none_while_it_is_revoked(redis):
    assert generation.claim(redis)
    assert not generation.claim(redis)
    redis.delete(HINT)
    generation.revoke(redis)
    assert not generation.claim(redis)


def test_a_change_that_fails_is_rolled_back_and_withdrawn(conn, redis):
    before = views.generation(conn)
    conn.commit()

    with pytest.raises(ValueError, match="of the block"), generation.change(conn, redis):
        raise ValueError("of the block")

    assert views.generation_and_change(conn) == (before, False)
    assert redis.get(HINT) is None


def test_a_change_without_redis_begins_after_every_hint_has_expired(conn):
    with closing(Redis(unix_socket_path="/nowhere", retry=NO_RETRY)) as unreachable:
        start = time.monotonic()
        with generation.change(conn, unreachable):
            waited = time.monotonic() - start

    assert waited >= CLAIM_SECONDS + HINT_SECONDS
