"""The cache is never stale and never required, whatever stops, hangs, returns or dies."""

import json
import pickle
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from datetime import UTC, datetime

import pytest
from flask_migrate import upgrade
from redis import Redis, RedisError

from jobs.embedded import NO_RETRY
from tests.support import dispose, query
from tests.web import RANKINGS, answered, assert_error, show_run, wait_until
from tests.webapp.conftest import with_key
from webapp import cache_backend, generation
from webapp.cache import REST_SECONDS
from webapp.generation import HINT, KEY_PREFIX, LAST_KNOWN
from webapp.store import connect, rankings, views

# Far less than default timeouts and retries take, and more than a busy machine needs.
QUICK_SECONDS = 1.5


def announce(settings):
    """Announce a change in the database, as the first step of a change."""
    with closing(connect(settings)) as conn, conn:
        views.announce_change(conn, wait_s=5)


def refresh(settings):
    """Refresh the views and commit, as the last but one step of a change; return the generation."""
    with closing(connect(settings)) as conn, conn:
        number = views.raise_generation(conn)
        views.refresh(conn, datetime.now(UTC), number)
    return number


def commands(redis, call) -> int:
    """Return the number of commands that Redis has processed during the call."""
    before = redis.info("stats")["total_commands_processed"]
    call()
    # The last one is the INFO itself.
    return redis.info("stats")["total_commands_processed"] - before - 1


def hold_the_hint(client, redis):
    """Request until the client trusts the hint, and make the hint last; return its generation."""
    wait_until(lambda: commands(redis, lambda: answered(client)) <= 1, seconds=20)
    assert redis.expire(HINT, 60)
    return int(redis.get(HINT))


@pytest.fixture
def trusting(monkeypatch):
    """Lets new connections trust the hint soon, where no Redis returns from a snapshot."""
    monkeypatch.setattr(generation, "LEASE_SECONDS", 0.5)


@pytest.fixture
def short_lease(monkeypatch):
    monkeypatch.setattr(generation, "HINT_SECONDS", 1)
    monkeypatch.setattr(generation, "LEASE_SECONDS", generation.LEASE_SECONDS - 1)


def timed(call):
    start = time.monotonic()
    result = call()
    return result, time.monotonic() - start


class TestARefresh:
    def test_is_visible_to_the_next_request(self, client, show_next_run):
        seen = [answered(client)]
        for _ in range(5):
            show_next_run()
            seen.append(answered(client))

        assert seen == sorted(set(seen))

    @pytest.mark.usefixtures("trusting")
    def test_is_visible_even_if_it_dies_after_its_commit(self, client, settings, redis):
        hold_the_hint(client, redis)
        announce(settings)
        generation.revoke(redis)
        time.sleep(generation.PROCESS_SECONDS)
        number = refresh(settings)

        assert [answered(client)[0] for _ in range(3)] == [number] * 3

    def test_that_dies_before_its_commit_changes_nothing(self, client, settings, redis, show_next_run):
        show_next_run()
        before = answered(client)
        announce(settings)
        generation.revoke(redis)

        assert answered(client) == before

    def test_that_died_lets_readers_ask_the_database_until_the_next_one(
        self, client, settings, redis, show_next_run
    ):
        announce(settings)
        answered(client)
        assert generation.parse(redis.get(HINT)) is None
        redis.delete(HINT)
        show_next_run()

        number, _ = answered(client)
        assert redis.get(HINT) == b"%d" % number

    @pytest.mark.usefixtures("trusting")
    def test_is_visible_even_if_redis_loses_its_revocation_and_all_other_data(self, client, settings, redis):
        hold_the_hint(client, redis)
        announce(settings)
        generation.revoke(redis)
        redis.flushall()
        time.sleep(generation.PROCESS_SECONDS)
        answered(client)
        number = refresh(settings)

        assert answered(client)[0] == number

    @pytest.mark.usefixtures("trusting")
    def test_is_visible_even_if_it_takes_less_time_than_a_process_relies_on_a_hint(self, client, redis, conn):
        for _ in range(10):
            hold_the_hint(client, redis)
            time.sleep(generation.PROCESS_SECONDS)
            answered(client)  # relies on the hint from now on
            with generation.change(conn, redis) as number:
                pass

            assert answered(client)[0] == number

    def test_is_visible_to_clients_that_were_answered_while_it_ran(self, client, conn, redis):
        with generation.change(conn, redis) as number:
            redis.delete(HINT)
            old, _ = answered(client)

        assert old < number == answered(client)[0]

    @pytest.mark.usefixtures("short_lease")
    def test_is_visible_even_if_only_the_refresher_is_cut_off_from_redis(self, client, settings, redis):
        stop, stale, shown = threading.Event(), [], [answered(client)[0]]

        def read():
            reader = with_key(client.application)
            while not stop.is_set():
                at_least = shown[0]
                if answered(reader)[0] < at_least:
                    stale.append(at_least)

        reader = threading.Thread(target=read)
        reader.start()
        time.sleep(generation.LEASE_SECONDS + 1)  # from now on, the reader trusts the hint
        for number in (1, 2):
            show_run(settings, Redis(unix_socket_path="/nowhere", retry=NO_RETRY), number)
            with closing(connect(settings)) as conn:
                shown[0] = views.generation(conn)
            time.sleep(0.5)
        stop.set()
        reader.join(10)

        assert stale == []

    @pytest.mark.usefixtures("short_lease")
    def test_is_visible_even_if_redis_returns_with_the_hint_of_a_snapshot(
        self, own_redis, own_app, redis, settings
    ):
        client = with_key(own_app)
        with closing(Redis(unix_socket_path=str(own_redis.socket))) as own:
            old = hold_the_hint(client, own)
            own.save()
            show_run(settings, own, 1)
            with suppress(RedisError):
                own.shutdown(nosave=True)
        own_redis.start()
        with closing(Redis(unix_socket_path=str(own_redis.socket))) as own:
            assert own.get(HINT) == b"%d" % old

        end = time.monotonic() + REST_SECONDS + 1
        while time.monotonic() < end:
            assert answered(client)[0] > old

    @pytest.mark.usefixtures("trusting")
    def test_is_visible_even_if_the_end_of_an_earlier_one_arrives_late(self, client, settings, redis):
        hold_the_hint(client, redis)
        announce(settings)
        earlier = generation.revoke(redis)
        time.sleep(generation.PROCESS_SECONDS)
        first = refresh(settings)
        show_run(settings, redis, 1)
        number, _ = answered(client)
        generation.withdraw(redis, earlier, first)

        assert answered(client)[0] == number
        assert redis.get(LAST_KNOWN) == b"%d" % number

    def test_after_the_database_was_restored_has_a_generation_that_was_never_used(
        self, client, settings, redis, conn, show_next_run
    ):
        before = views.generation(conn)
        conn.rollback()
        show_next_run()
        used, _ = answered(client)
        with conn, conn.cursor() as cursor:
            cursor.execute("UPDATE generation SET value = %s", (before,))
        show_next_run()

        assert answered(client)[0] > used


class TestAResponse:
    def test_from_an_old_snapshot_is_never_cached_under_a_new_generation(
        self, app, client, conn, redis, settings
    ):
        show_run(settings, redis, 1)
        old, _ = answered(client)
        old_ranking = rankings.read(conn, ["tps"])
        conn.rollback()
        redis.flushall()
        reading, proceed = threading.Event(), threading.Event()

        def read(snapshot):
            return json.dumps(rankings.read(snapshot, ["tps"])).encode()

        def read_slowly(snapshot):
            reading.set()
            assert proceed.wait(10)
            return read(snapshot)

        def respond(build):
            with app.test_request_context():
                return app.extensions["answers"].respond("test", build)

        reader = threading.Thread(target=respond, args=[read_slowly])
        reader.start()
        assert reading.wait(10)
        show_run(settings, redis, 2)
        proceed.set()
        reader.join(10)

        assert redis.get(f"{KEY_PREFIX}{old}:test") == json.dumps(old_ranking).encode()
        assert respond(read).data != json.dumps(old_ranking).encode()

    def test_is_built_once_per_generation(self, client, redis, settings, conn):
        show_run(settings, redis, 1)
        answered(client)
        with conn, conn.cursor() as cursor:
            cursor.execute("ALTER MATERIALIZED VIEW metric_means RENAME TO hidden")

        answered(client)

    @pytest.mark.usefixtures("trusting")
    def test_that_is_cached_costs_at_most_one_command_and_no_query(self, client, redis, conn):
        hold_the_hint(client, redis)
        queries = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'llm-benchmark api'"
        last_query = f"{queries} AND query_start > %s"
        (since,) = query(conn, "SELECT clock_timestamp()")[0]

        assert commands(redis, lambda: [answered(client) for _ in range(10)]) <= 10
        assert query(conn, last_query, since) == [(0,)]

    @pytest.mark.usefixtures("trusting")
    def test_costs_no_command_while_the_process_relies_on_the_hint(self, client, redis):
        hold_the_hint(client, redis)

        def answer_quickly() -> None:
            end = time.monotonic() + generation.PROCESS_SECONDS
            while time.monotonic() < end:
                answered(client)

        # One command begins, and one or two follow when the time is up.
        wait_until(lambda: commands(redis, answer_quickly) <= 3)

    @pytest.mark.usefixtures("trusting")
    def test_of_threads_that_need_the_hint_at_the_same_time_costs_one_look_at_it(
        self, app, redis, monkeypatch
    ):
        threads, together = 8, threading.Barrier(8)

        def answer(_: int) -> None:
            together.wait(10)
            answered(with_key(app))

        with ThreadPoolExecutor(threads) as pool:
            for _ in range(2):  # so that each thread has a connection that trusts the hint, and it is set
                list(pool.map(answer, range(threads)))
                time.sleep(generation.LEASE_SECONDS)
            list(pool.map(answer, range(threads)))
            time.sleep(generation.PROCESS_SECONDS)
            monkeypatch.setattr(generation, "PROCESS_SECONDS", 10)

            assert commands(redis, lambda: list(pool.map(answer, range(threads)))) <= 2

    def test_is_never_unpickled(self, client, redis, tmp_path):
        number, _ = answered(client)
        trap = tmp_path / "sprung"
        evil = pickle.dumps(Trap(str(trap)))
        for prefix in (b"", b"!"):
            for key in (HINT, LAST_KNOWN, f"{KEY_PREFIX}{number}:rankings"):
                redis.set(key, prefix + evil)
            client.get(RANKINGS)

        assert not trap.exists()


class Trap:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")


class TestWithoutRedis:
    @pytest.mark.moments
    def test_each_response_is_built_from_the_database_and_current(
        self, own_client, own_redis, settings, redis
    ):
        own_redis.stop()
        seen = []
        for number in (1, 2, 3):
            show_run(settings, redis, number)
            answer, seconds = timed(lambda: answered(own_client))
            assert seconds < QUICK_SECONDS
            seen.append(answer)

        assert seen == sorted(set(seen))

    @pytest.mark.moments
    def test_a_hanging_redis_delays_one_request_and_is_then_left_alone(self, own_client, hang):
        answered(own_client)
        hang()

        assert timed(lambda: answered(own_client))[1] < QUICK_SECONDS
        assert timed(lambda: [answered(own_client) for _ in range(3)])[1] < QUICK_SECONDS

    def test_a_redis_that_returns_is_used_again(self, own_client, own_redis):
        own_redis.stop()
        answered(own_client)
        own_redis.start()

        with closing(Redis(unix_socket_path=str(own_redis.socket))) as redis:
            wait_until(lambda: answered(own_client) and redis.exists(HINT))


class TestWithoutPostgres:
    @pytest.fixture
    def client(self, make_app, own_database):
        app = make_app(**own_database)
        with app.app_context():
            upgrade()
        dispose(app)
        return with_key(app)

    def test_the_last_known_response_is_sent_even_without_a_hint(self, client, own_postgres, redis):
        last = answered(client)
        own_postgres.stop()
        redis.delete(HINT)

        assert [answered(client) for _ in range(2)] == [last] * 2
        assert client.get(RANKINGS).headers["X-Database"] == "unreachable"

    def test_a_response_from_before_the_last_refresh_is_not_sent(
        self, make_app, own_database, own_postgres, redis
    ):
        app = make_app(**own_database)
        with app.app_context():
            upgrade()
        answered(with_key(app))
        show_run(app.extensions["settings"], redis, 1)
        dispose(app)
        own_postgres.stop()

        assert_error(with_key(app).get(RANKINGS), 503)

    def test_requested_responses_stay_cached_while_it_is_unreachable(self, client, own_postgres, redis):
        answered(client)
        own_postgres.stop()
        kept = redis.zrange(cache_backend.ORDER, 0, -1)
        for key in kept:
            redis.expire(key, 60)
        redis.delete(HINT)

        answered(client)
        assert [redis.ttl(key) > 60 for key in kept] == [True]

    def test_an_uncached_response_is_503(self, client, own_postgres, redis):
        answered(client)
        own_postgres.stop()
        redis.flushall()

        response = client.get(RANKINGS)
        assert assert_error(response, 503)["message"] == "Database unreachable; try again in a moment"
        assert int(response.headers["Retry-After"]) > 0

    def test_a_database_that_returns_is_used_again_without_a_restart(self, client, own_postgres, redis):
        last = answered(client)
        own_postgres.stop()
        redis.flushall()
        assert_error(client.get(RANKINGS), 503)
        own_postgres.start()

        assert answered(client) == last

    def test_a_database_that_was_never_migrated_is_503(self, make_app, own_database):
        error = assert_error(with_key(make_app(**own_database)).get(RANKINGS), 503)

        assert error["message"] == "Database not migrated yet; see /readyz"

    def test_without_redis_either_every_response_is_503(self, make_app, own_database, own_postgres):
        own_postgres.stop()

        assert_error(with_key(make_app(**own_database, redis_host="/nowhere")).get(RANKINGS), 503)


def test_connections_that_the_database_has_closed_are_replaced(client, conn, redis):
    answered(client)
    for _ in range(3):
        killed = query(
            conn,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name = 'llm-benchmark api'",
        )
        assert killed
        redis.flushall()

        answered(client)


def test_a_connection_that_is_closed_during_a_query_leads_to_the_last_known_response(
    client, conn, redis, settings
):
    last, seen = answered(client), []
    redis.delete(HINT)
    reader = threading.Thread(target=lambda: seen.append(answered(client)))
    end_the_waiting = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    with closing(connect(settings)) as other, other, other.cursor() as cursor:
        cursor.execute("LOCK TABLE generation IN ACCESS EXCLUSIVE MODE")
        reader.start()
        wait_until(lambda: query(conn, end_the_waiting))
        reader.join(10)

    assert seen == [last]
    assert answered(client) == last
