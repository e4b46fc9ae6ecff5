"""Measured runs whose points were damaged, or derived by a former rule, are derived again."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from llm_measure.workloads import Load
from tests.measured import answered, failed, level, measurement, store_level
from tests.support import query
from webapp.ingest.publish import publish
from webapp.ingest.rebuild import rebuild_points
from webapp.store import views

SLOT = datetime(2026, 11, 24, 12, tzinfo=UTC)
SHOWN = {
    "points": "SELECT recorded_at, run_id, metric_id, value FROM points ORDER BY 1, 2, 3, 4",
    "rollups": "SELECT r::text FROM rollups AS r ORDER BY run_id, metric_id",
    "periods": "SELECT period, starts_at, source, scenario_id, llm_id, metric_id, runs, n, min, max,"
    " round(mean::numeric, 12), quantiles, histogram::text FROM period_rollups ORDER BY 1, 2, 3, 4, 5, 6",
    "means": "SELECT m.time_window, m.llm_id, m.metric_id, m.n, round(m.mean::numeric, 12)"
    " FROM metric_means AS m ORDER BY 1, 2, 3",
    "runs": "SELECT id, status, points FROM runs ORDER BY 1",
}
DAMAGES = {
    "wrong points": "UPDATE points SET value = 2 * value",
    "lost points": "DELETE FROM points WHERE metric_id = 1",
    "points twice": "INSERT INTO points SELECT * FROM points",
    "a metric too many": "INSERT INTO points SELECT recorded_at, run_id, 10, 1 FROM points WHERE value < 9",
    "wrong rollups": "UPDATE rollups SET mean = 7, max = 9 WHERE metric_id = 6",
    "a wrong histogram": "UPDATE rollups SET histogram = ROW(5, ARRAY[1])::histogram WHERE metric_id = 1",
    "lost rollups": "DELETE FROM rollups WHERE metric_id = 5",
    "all rollups lost": "DELETE FROM rollups",
}


def stored(conn) -> dict[str, list[tuple]]:
    found = {name: query(conn, statement) for name, statement in SHOWN.items()}
    conn.rollback()
    return found


def damage(conn, statement: str) -> None:
    """Change what is stored of measured runs, as if a former version had written and published it."""
    with conn, conn.cursor() as cursor:
        cursor.execute(statement)


@pytest.fixture
def keep(conn, settings, redis):
    """Stores levels as runs a minute apart, and publishes them."""

    def keep(*results, what=None):
        for number, result in enumerate(results):
            store_level(
                conn, settings, redis, SLOT + timedelta(minutes=number), what or measurement(), result,
                f"job-{number}",
            )  # fmt: skip
        publish(conn, settings, redis)

    return keep


@pytest.fixture
def rebuild(conn, redis):
    return lambda: [(run.run_id, run.changed) for run in rebuild_points(conn, redis)]


LEVELS = (
    level([answered(index) for index in range(4)]),
    level([answered(0, ttft=0.5), answered(1, itl=0.02), failed(2)]),
)


@pytest.mark.parametrize("name", DAMAGES)
def test_damaged_values_are_as_they_were(conn, keep, rebuild, show_next_run, name):
    show_next_run()
    keep(*LEVELS)
    before = stored(conn)
    measured = [run_id for (run_id,) in query(conn, "SELECT id FROM runs WHERE source = 'measurement'")]
    damage(conn, f"{DAMAGES[name]} {'AND' if 'WHERE' in DAMAGES[name] else 'WHERE'} run_id = {measured[0]}")
    assert stored(conn) != before

    assert rebuild() == [(measured[0], True), (measured[1], False)]

    assert stored(conn) == before


def test_hours_days_windows_and_readers_follow(conn, keep, rebuild, client):
    def shown(window: str) -> dict:
        url = "/api/v1/benchmarks/leaderboard?source=measurement&scenario=chat@c8&metric=ttft"
        (row,) = client.get(f"{url}&window={window}").json["metrics"][0]["llms"]
        return row

    keep(*LEVELS)
    before = {window: shown(window) for window in ("latest", "all")}
    damage(conn, "UPDATE requests SET first_token_ns = first_token_ns + 100000000 WHERE warmup = false")

    rebuild()

    for window, row in before.items():
        assert shown(window)["mean"] == pytest.approx(row["mean"] + 0.1, abs=1e-6)
    periods = query(
        conn, "SELECT DISTINCT period, runs, min FROM period_rollups WHERE metric_id = 1 ORDER BY 1"
    )
    assert [(period, runs) for period, runs, _ in periods if period in ("day", "hour", "latest")] == [
        ("day", 2),
        ("hour", 2),
        ("latest", 1),
    ]
    assert all(low == pytest.approx(0.3) for _, _, low in periods)


def test_tokens_that_a_former_rule_has_spread_are_where_they_were_seen(conn, keep, rebuild):
    plain = level([replace(answered(index), first_answer_ns=None) for index in range(3)])
    keep(plain)
    before = stored(conn)
    damage(conn, "UPDATE requests SET chunk_tokens = ARRAY[0, 2, 1, 0, 2]")
    damage(conn, "UPDATE points SET value = value / 2 WHERE metric_id = 6")

    assert rebuild() == [(1, True)]

    assert stored(conn) == before
    assert rebuild() == [(1, False)]


def test_what_is_not_ranked_stays_out(conn, keep, rebuild):
    at_a_rate = replace(LEVELS[0], load=Load(rate=2, requests=4))
    in_clumps = level([answered(0), answered(1, itl=0.0)])
    keep(at_a_rate, in_clumps, what=measurement(load=at_a_rate.load))
    before = stored(conn)

    assert rebuild() == [(1, False), (2, False)]
    damage(conn, "UPDATE points SET value = 2 * value")
    assert rebuild() == [(1, True), (2, True)]

    assert stored(conn) == before


def test_what_is_right_is_only_read(conn, keep, rebuild):
    keep(*LEVELS)
    rows = "SELECT ctid FROM points ORDER BY 1"
    before, generation = query(conn, rows), views.generation(conn)

    rebuild()

    assert (query(conn, rows), views.generation(conn)) == (before, generation)


def test_an_interrupted_rebuild_is_resumed(conn, redis, keep, rebuild):
    keep(*LEVELS)
    before = stored(conn)
    damage(conn, "UPDATE points SET value = 2 * value")

    assert next(iter(rebuild_points(conn, redis))).changed

    assert rebuild() == [(1, False), (2, True)]
    assert stored(conn) == before


def test_a_run_whose_requests_are_deleted_keeps_its_points(conn, keep, rebuild):
    keep(*LEVELS)
    damage(conn, "DELETE FROM requests WHERE run_id = 1")
    before = stored(conn)

    assert rebuild() == [(1, None), (2, False)]
    assert stored(conn) == before


def test_failed_and_invalid_runs_stay_without_points(conn, keep, rebuild):
    keep(level([failed(0)]), level([answered(0)], invalid_reason="the client was the limit"))

    assert rebuild() == []


def test_a_run_that_is_not_shown_yet_is_published_later(conn, settings, redis, rebuild):
    for number, result in enumerate(LEVELS):
        store_level(conn, settings, redis, SLOT + timedelta(minutes=number), measurement(), result)
    damage(conn, "UPDATE points SET value = 2 * value")

    assert rebuild() == [(1, True), (2, True)]
    assert stored(conn)["periods"] == []

    publish(conn, settings, redis)
    assert {runs for _, _, _, _, _, _, runs, *_ in stored(conn)["periods"]} == {1, 2}


def test_an_hour_with_deleted_rollups_keeps_what_it_knows(conn, keep, rebuild):
    keep(*LEVELS)
    for table in ("rollups", "requests"):
        damage(conn, f"DELETE FROM {table} WHERE run_id = 1")
    damage(conn, "UPDATE points SET value = 2 * value WHERE run_id = 2")
    periods = stored(conn)["periods"]

    assert rebuild() == [(1, None), (2, True)]

    assert stored(conn)["periods"] == periods
