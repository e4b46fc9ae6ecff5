import re
import time
from contextlib import closing
from datetime import timedelta
from types import SimpleNamespace

import pytest
from flask_migrate import downgrade, upgrade
from redis import Redis

from tests.measured import measurement
from tests.support import dispose
from webapp.health import CHECKS, SKIPPED, SKIPPED_DATA
from webapp.plan.shared import Report, SharedPlan
from webapp.store import clock

OK = dict.fromkeys(CHECKS, "ok")
QUICK_SECONDS = 1.5


@pytest.fixture
def elsewhere(make_app, own_database):
    """An app on a separate database, on a server that a test may stop."""
    app = make_app(**own_database)
    yield app
    dispose(app)


def ready(app):
    """Return (HTTP status, status, checks)."""
    response = app.test_client().get("/readyz")
    return response.status_code, response.json["status"], response.json["checks"]


def test_a_process_without_database_and_redis_is_alive(make_app):
    app = make_app(postgres_host="/nowhere", redis_host="/nowhere")

    assert app.test_client().get("/healthz").json == {"status": "ok"}


def test_with_database_and_redis_it_is_ready(app):
    assert ready(app) == (200, "ok", OK)


def test_without_redis_it_is_degraded(own_app, own_redis):
    own_redis.stop()

    assert ready(own_app) == (200, "degraded", OK | {"redis": "unreachable (ConnectionError)"})


def test_with_a_redis_that_refuses_writes_it_is_degraded(own_app, own_redis):
    with closing(Redis(unix_socket_path=str(own_redis.socket))) as redis:
        redis.config_set("maxmemory", 1)

    assert ready(own_app) == (200, "degraded", OK | {"redis": "refuses writes (OutOfMemoryError)"})


def test_with_a_redis_that_may_evict_jobs_it_is_degraded(own_app, own_redis):
    with closing(Redis(unix_socket_path=str(own_redis.socket))) as redis:
        redis.config_set("maxmemory-policy", "allkeys-lru")
        found = ready(own_app)
        redis.config_set("maxmemory-policy", "noeviction")

    fault = "maxmemory-policy allkeys-lru may evict jobs; expected noeviction"
    assert found == (200, "degraded", OK | {"redis": fault})


def test_with_a_redis_that_is_a_replica_it_is_degraded(own_app, own_redis):
    with closing(Redis(unix_socket_path=str(own_redis.socket))) as redis:
        redis.replicaof("127.0.0.1", 1)
        found = ready(own_app)
        redis.replicaof("NO", "ONE")

    assert found == (200, "degraded", OK | {"redis": "refuses writes (ReplicaError)"})


EMPTYING = {
    "rollups": "TRUNCATE rollups",
    "period_rollups_hours": "TRUNCATE period_rollups_hours",
    "period_rollups_days": "TRUNCATE period_rollups_days",
    "period_rollups_windows": "TRUNCATE period_rollups_windows",
    "metric_means": "REFRESH MATERIALIZED VIEW metric_means WITH NO DATA",
}


@pytest.mark.parametrize("name", EMPTYING)
def test_what_an_incomplete_restore_leaves_empty_is_named(app, conn, show_next_run, name):
    assert ready(app) == (200, "ok", OK)
    show_next_run()
    assert ready(app) == (200, "ok", OK)

    with conn, conn.cursor() as cursor:
        cursor.execute(EMPTYING[name])

    missing = f"empty: {name}; runs have finished, so run flask rebuild"
    assert ready(app) == (200, "degraded", OK | {"data": missing})


def test_a_refresh_that_keeps_failing_is_reported_until_one_succeeds(app, conn, show_next_run):
    show_next_run()
    with conn, conn.cursor() as cursor:
        cursor.execute("UPDATE runs SET generation = NULL, finished_at = now() - interval '5 minutes'")

    code, status, checks = ready(app)

    assert (code, status) == (200, "degraded")
    assert checks["refresh"].startswith("failing: runs that ended since 20")
    show_next_run()
    assert ready(app) == (200, "ok", OK)


@pytest.mark.parametrize(("number", "faults"), [(1, "1 fault"), (2, "2 faults")])
def test_a_faulty_benchmark_file_is_reported_without_its_faults(app, settings, redis, number, faults):
    SharedPlan(settings, redis).report(Report(faults=number, since=1_795_521_600))

    faulty = f"{faults} since 2026-11-24 12:00:00 UTC; the previous plan is used"
    assert ready(app) == (200, "degraded", OK | {"benchmark_file": faulty})


@pytest.mark.parametrize(("regions", "number"), [(["eu"], "1 region"), (["eu", "us", None], "2 regions")])
def test_regions_that_no_worker_serves_are_reported_without_their_names(app, regions, number):
    planned = [measurement(region=region) for region in regions]
    app.extensions["plan"] = SimpleNamespace(measurements=lambda: planned)

    assert ready(app) == (200, "degraded", OK | {"regions": f"no worker serves {number}"})


def test_a_run_that_has_just_ended_may_wait_for_its_refresh(app, conn, show_next_run):
    show_next_run()
    with conn, conn.cursor() as cursor:
        cursor.execute("UPDATE runs SET generation = NULL")

    assert ready(app) == (200, "ok", OK)


def test_a_clock_that_differs_is_reported_with_how_much(app, monkeypatch):
    monkeypatch.setattr(clock, "TOLERANCE", timedelta(seconds=-1))

    code, status, checks = ready(app)

    assert (code, status) == (200, "degraded")
    assert re.fullmatch(
        r"differs: [+-]\d s at PostgreSQL, [+-]\d s at Redis; expected at most -1 s", checks["clock"]
    )


def test_expired_rollups_are_not_missed(app, conn, show_next_run):
    show_next_run()
    with conn, conn.cursor() as cursor:
        cursor.execute("UPDATE runs SET slot = now() - interval '366 days'")
        cursor.execute("TRUNCATE rollups, period_rollups_hours")

    assert ready(app) == (200, "ok", OK)


@pytest.mark.parametrize("keys", [("1234",), ("the-first-key-is-long", "15-characters--")])
def test_a_key_that_can_be_guessed_is_reported_and_nothing_else_changes(make_app, keys):
    weak = {"api_key": "weak: shorter than 16 characters"}

    assert ready(make_app(api_keys=keys)) == (200, "ok", OK | weak)


@pytest.mark.moments
def test_with_a_hanging_redis_it_is_degraded_and_answers_quickly(own_app, hang):
    hang()
    start = time.monotonic()

    assert ready(own_app) == (200, "degraded", OK | {"redis": "unreachable (TimeoutError)"})
    assert time.monotonic() - start < QUICK_SECONDS


def test_without_a_database_it_is_unavailable_until_the_database_returns(elsewhere, own_postgres):
    with elsewhere.app_context():
        upgrade()
    own_postgres.stop()
    unreachable = OK | {
        "database": "unreachable (OperationalError)", "rights": SKIPPED, "migrations": SKIPPED,
        "data": SKIPPED_DATA,
        "refresh": SKIPPED_DATA, "clock": SKIPPED,
    }  # fmt: skip
    assert ready(elsewhere) == (503, "unavailable", unreachable)

    own_postgres.start()
    assert ready(elsewhere) == (200, "ok", OK)


def test_a_database_that_was_never_migrated_is_reported(elsewhere):
    code, status, checks = ready(elsewhere)

    assert (code, status, checks["database"]) == (503, "unavailable", "ok")
    assert checks["migrations"].startswith("at none; expected ")


def test_a_database_whose_migrations_were_undone_is_reported(elsewhere):
    with elsewhere.app_context():
        upgrade()
        downgrade(revision="base")

    assert ready(elsewhere)[0] == 503


def test_hosts_and_users_are_not_revealed(make_app, settings):
    app = make_app(
        postgres_host="secret-host.invalid", redis_host="secret-host.invalid", redis_password="pass"
    )

    assert "secret" not in app.test_client().get("/readyz").text


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_neither_requires_an_api_key_or_refuses_arguments(stranger, path):
    assert stranger.get(f"{path}?probe=1").status_code == 200
    assert stranger.head(path).status_code == 200
