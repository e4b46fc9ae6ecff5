"""The hint may be lost, late or garbage, and responses are still current."""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress

import pytest
from psycopg2.errors import LockNotAvailable
from redis import Redis

from jobs.embedded import NO_RETRY
from tests.web import answered, show_run
from tests.webapp.conftest import with_key
from webapp import generation
from webapp.generation import CLAIM_SECONDS, HINT, HINT_SECONDS, LAST_KNOWN
from webapp.store import connect, views


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

    number, changing = views.generation_and_change(conn)
    assert number > before
    assert not changing
    assert redis.get(HINT) is None


def test_a_change_without_redis_begins_after_every_hint_has_expired(conn):
    with closing(Redis(unix_socket_path="/nowhere", retry=NO_RETRY)) as unreachable:
        start = time.monotonic()
        with generation.change(conn, unreachable):
            waited = time.monotonic() - start

    assert waited >= CLAIM_SECONDS + HINT_SECONDS


@pytest.fixture
def other(settings):
    with closing(connect(settings)) as conn:
        yield conn


def announce(conn) -> int:
    announced = views.announce_change(conn, wait_s=5)
    conn.commit()
    return announced


def test_a_change_must_announce_itself_again_if_another_was_committed_since(conn, other, redis):
    announced = announce(conn)
    with generation.change(other, redis):
        pass

    assert not views.begin_change(conn, announced, wait_s=5)
    assert views.begin_change(conn, announce(conn), wait_s=5)


def test_a_change_must_announce_itself_again_if_another_has_failed_since(conn, other, redis):
    announced = announce(conn)
    with suppress(ValueError), generation.change(other, redis):
        raise ValueError
    announce(other)

    assert not views.begin_change(conn, announced, wait_s=5)


def test_a_change_that_waits_too_long_for_others_is_given_up(conn, other, redis):
    with (
        generation.change(other, redis),
        pytest.raises(LockNotAvailable),
        generation.change(conn, redis, wait_s=0.1),
    ):
        pytest.fail("two changes in progress")

    with generation.change(conn, redis):
        pass


def test_a_change_that_is_no_longer_needed_once_it_is_its_turn_does_nothing(conn, other, redis):
    with generation.change(other, redis) as committed:
        pass

    with generation.change(conn, redis, is_needed=lambda: False) as number:
        assert number == 0

    assert views.generation_and_change(conn) == (committed, False)


def test_no_request_is_answered_from_before_one_of_many_concurrent_changes(settings, make_app, redis):
    committed, stale, changers = [0], [], 4

    def change() -> None:
        with closing(connect(settings)) as conn:
            for _ in range(15):
                with generation.change(conn, redis) as number:
                    pass
                committed.append(number)

    def read(reader) -> None:
        while len(committed) <= changers * 15:
            at_least = max(committed)
            number, _ = answered(reader)
            stale.extend([(number, at_least)] if number < at_least else [])

    with ThreadPoolExecutor() as pool:
        readers = [pool.submit(read, with_key(make_app())) for _ in range(2)]
        for each in [pool.submit(change) for _ in range(changers)] + readers:
            each.result(timeout=60)

    assert stale == []
    assert len(set(committed)) == changers * 15 + 1
