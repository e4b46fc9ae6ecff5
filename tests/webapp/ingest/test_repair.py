"""Damaged rollups, hours, days, windows, views and totals are found, and derived again from points."""

import threading
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from jobs.maintenance import maintain
from jobs.simulation_run import fill_slot
from tests.measured import answered, failed, level, measurement, store_level
from tests.support import query
from tests.web import show_run
from webapp.ingest.publish import publish
from webapp.ingest.rebuild import rebuild_days, rebuild_rankings
from webapp.ingest.verify import differences
from webapp.store import connect, derived, views
from webapp.store.retention import NEVER

NOW = datetime.now(UTC).replace(microsecond=0)
STORED = {
    "rollups": "SELECT run_id, metric_id, n, round(mean::numeric, 12), round(m2::numeric, 12), min, max, p95,"
    " histogram::text FROM rollups ORDER BY 1, 2",
    "periods": "SELECT period, starts_at::text, source, scenario_id, llm_id, metric_id, oldest, newest, runs,"
    " n, min, max, round(mean::numeric, 12), round(m2::numeric, 12), round(run_mean::numeric, 12),"
    " run_weight, round(run_m2::numeric, 9), quantiles, histogram::text FROM period_rollups"
    " ORDER BY 1, 2, 3, 4, 5, 6",
    "means": "SELECT time_window, source, scenario_id, llm_id, metric_id, runs, n, min, max, last_measured,"
    " round(mean::numeric, 12), round(stddev::numeric, 9), round(ci_low::numeric, 9)"
    " FROM metric_means ORDER BY 1, 2, 3, 4, 5",
    "quantiles": "SELECT * FROM metric_quantiles ORDER BY 1, 2, 3, 4, 5",
    "availability": "SELECT * FROM availability ORDER BY 1, 2, 3, 4, 5",
    "totals": "SELECT source, status, at_most, runs, points, round(seconds::numeric, 6) FROM run_totals"
    " ORDER BY 1, 2, 3",
}
DAMAGES = {
    "lost rollups": "DELETE FROM rollups WHERE metric_id = 1",
    "no rollups": "DELETE FROM rollups",
    "wrong rollups": "UPDATE rollups SET mean = 7 WHERE run_id = 2",
    "wrong histograms": "UPDATE rollups SET histogram = ROW(5, ARRAY[n])::histogram WHERE run_id = 2",
    "rollups of a failed run": "INSERT INTO rollups"
    " SELECT max(runs.id), metric_id, min(n), 1, 1, 1, 1, ROW(1, ARRAY[1])::histogram FROM rollups, runs"
    " WHERE status = 'failed' AND run_id = 1 GROUP BY metric_id",
    "no period rollups": "DELETE FROM period_rollups",
    "no days": "DELETE FROM period_rollups WHERE period = 'day'",
    "no windows": "DELETE FROM period_rollups WHERE period NOT IN ('hour', 'day')",
    "wrong hours": "UPDATE period_rollups SET m2 = m2 + 1 WHERE period = 'hour' AND metric_id = 1",
    "wrong days": "UPDATE period_rollups SET n = n - 1, runs = runs + 1 WHERE period = 'day'",
    "wrong windows": "UPDATE period_rollups SET mean = 2 * mean WHERE period IN ('latest', '24h', 'all')",
    "a day without runs": "UPDATE period_rollups SET starts_at = starts_at - interval '400 days'"
    " WHERE period = 'day' AND metric_id = 2",
    "wrong p95": "UPDATE rollups SET p95 = min WHERE run_id = 2",
    "no availability": "DELETE FROM availability",
    "wrong availability": "UPDATE availability SET failed = failed + 1 WHERE period = 'day'",
    "availability without runs": "UPDATE availability SET starts_at = starts_at - interval '400 days'"
    " WHERE period = 'day' AND llm_id = 1",
    "no totals": "DELETE FROM run_totals",
    "too few in totals": "UPDATE run_totals SET runs = runs - 1",
    "too many finished": "UPDATE run_totals SET runs = runs + 1 WHERE status = 'finished'",
}


@pytest.fixture
def filled(conn, settings, redis):
    """Runs of three days: simulated, measured, invalid and failed ones, as they are after publication."""
    for number, age in enumerate((timedelta(days=4), timedelta(hours=26), timedelta(minutes=20))):
        show_run(settings, redis, number, NOW - age)
        levels = (
            level([answered(0), answered(1, ttft=0.3 + number), failed(2)]),
            level([answered(0)], invalid_reason="the client was the limit"),
            level([failed(0)]),
        )
        for minutes, result in enumerate(levels):
            store_level(
                conn, settings, redis, NOW - age + timedelta(minutes=minutes), measurement(), result, f"{age}"
            )
        publish(conn, settings, redis)


@pytest.fixture
def found(settings):
    """Finds the differences, as lines."""

    def found() -> list[str]:
        with closing(connect(settings)) as conn:
            return [f"{each.table} {each.where}" for each in differences(conn, settings, datetime.now(UTC))]

    return found


@pytest.fixture
def settings(settings, request):
    """The settings, with the days for which points and for which rollups are kept."""
    kept = dict(zip(("retention_days", "rollup_retention_days"), getattr(request, "param", ()), strict=False))
    return replace(settings, **kept)


@pytest.fixture
def expired(filled, conn, settings):
    """Has maintenance drop and delete what has expired."""
    maintain(conn, settings, NOW)


three_days = pytest.mark.parametrize("settings", [(3, 3)], indirect=True)


@pytest.fixture
def rebuild(conn, redis, settings):
    """Rebuilds all; whether anything was changed."""

    def rebuild() -> bool:
        days = list(rebuild_days(conn, redis, settings, datetime.now(UTC)))
        rankings = rebuild_rankings(conn, redis, datetime.now(UTC))
        return rankings or any(day.changed for day in days)

    return rebuild


def stored(conn) -> dict[str, list[tuple]]:
    return {name: query(conn, statement) for name, statement in STORED.items()}


def damage(conn, statement: str) -> None:
    """Change what is stored, and have the views show it."""
    with conn, conn.cursor() as cursor:
        cursor.execute(statement)
        views.refresh_views(conn)


def test_what_is_right_is_only_read(conn, filled, found, rebuild):
    before, generation = stored(conn), views.generation(conn)

    assert found() == []
    assert not rebuild()

    assert stored(conn) == before
    assert views.generation(conn) == generation


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_found_and_mended(conn, filled, found, rebuild, name):
    before, generation = stored(conn), views.generation(conn)
    damage(conn, DAMAGES[name])
    assert stored(conn) != before

    assert found()
    assert rebuild()

    assert found() == []
    assert stored(conn) == before
    assert views.generation(conn) > generation


def test_the_leaderboard_is_back_after_all_was_lost(conn, filled, rebuild, client):
    def boards() -> list[list]:
        url = "/api/v1/benchmarks/leaderboard?metric=ttft"
        return [
            [
                (row["llm_name"], row["n"], row["runs"], row["p95"], round(row["mean"], 9))
                for row in board["llms"]
            ]
            for window in ("latest", "24h", "all")
            for board in client.get(f"{url}&window={window}").json["metrics"]
        ]

    before = boards()
    assert all(before)
    damage(conn, "DELETE FROM rollups; DELETE FROM period_rollups")

    rebuild()

    assert boards() == before


def test_views_without_data_are_found_and_filled(conn, filled, found, rebuild):
    before = stored(conn)
    with conn, conn.cursor() as cursor:
        cursor.execute("REFRESH MATERIALIZED VIEW metric_means WITH NO DATA")

    assert {line.split()[0] for line in found()} == {"metric_means"}
    assert rebuild()

    assert stored(conn) == before


def test_an_interrupted_rebuild_is_resumed(conn, redis, settings, filled, rebuild):
    before = stored(conn)
    damage(conn, "DELETE FROM rollups; DELETE FROM period_rollups")

    interrupted = rebuild_days(conn, redis, settings, NOW)
    first = next(day for day in interrupted if day.changed)
    interrupted.close()
    resumed = [day for day in rebuild_days(conn, redis, settings, NOW) if day.changed]

    assert [day.day for day in resumed] > [first.day]
    rebuild()
    assert stored(conn) == before


@three_days
def test_what_has_expired_is_not_missed(conn, expired, found, rebuild):
    before = stored(conn)
    assert query(conn, "SELECT count(*) FROM runs WHERE status = 'finished' AND id NOT IN"
                       " (SELECT run_id FROM rollups)") == [(4,)]  # fmt: skip

    assert found() == []
    assert not rebuild()

    assert stored(conn) == before


@three_days
def test_what_cannot_be_derived_any_more_is_kept(conn, expired, rebuild):
    before = stored(conn)
    windows = "SELECT p::text FROM period_rollups AS p WHERE period = 'all' ORDER BY 1"
    kept = query(conn, windows)
    damage(conn, "DELETE FROM period_rollups WHERE period = 'day' AND starts_at < now() - interval '2 days'")

    rebuild()

    assert query(conn, windows) == kept
    assert stored(conn)["means"] == before["means"]


IMPOSSIBLE = ("n = 0, run_weight = 0", "n = -1", "m2 = -1", "run_m2 = -1e9")


@pytest.mark.parametrize("damaged", ["NOT IN ('hour', 'day')", "IN ('hour', 'day')", "IS NOT NULL"])
@pytest.mark.parametrize("values", IMPOSSIBLE)
def test_rows_for_which_the_views_fail_are_found_and_derived_again(
    conn, filled, found, rebuild, damaged, values
):
    before = stored(conn)
    query(conn, f"UPDATE period_rollups SET {values} WHERE period {damaged} RETURNING period")

    assert any(line.startswith("period_rollups ") for line in found())
    assert rebuild()

    assert found() == []
    assert stored(conn) == before


@three_days
@pytest.mark.parametrize("values", IMPOSSIBLE)
def test_a_window_for_which_the_views_fail_is_derived_from_what_is_left(
    conn, expired, found, rebuild, values
):
    query(conn, "DELETE FROM period_rollups WHERE period = 'day' AND starts_at < now() - interval '2 days'"
                " RETURNING period")  # fmt: skip
    query(conn, f"UPDATE period_rollups SET {values} WHERE period = 'all' RETURNING period")

    assert any(line.startswith("period_rollups window all") for line in found())
    assert rebuild()

    assert found() == []
    assert query(conn, "SELECT min(n) > 0 FROM metric_means WHERE time_window = 'all'") == [(True,)]


def test_a_rollup_without_values_adds_nothing(conn, filled, found, rebuild):
    before = stored(conn)
    query(conn, "UPDATE rollups SET n = 0 WHERE run_id = 1 RETURNING n")
    query(conn, "DELETE FROM period_rollups RETURNING period")

    assert "rollups run 1" in " ".join(found())
    assert rebuild()

    assert stored(conn) == before


@pytest.mark.parametrize("lost", ["metric_id = 1", "value < 1", "run_id = 1"])
def test_rollups_are_not_derived_from_a_part_of_the_points(conn, filled, found, rebuild, lost):
    before = stored(conn)
    damage(conn, f"DELETE FROM points WHERE {lost}")

    assert any(line.startswith("points run 1") for line in found())
    assert not rebuild()

    assert stored(conn) == before


@pytest.mark.parametrize("settings", [(3, 365)], indirect=True)
def test_lost_rollups_are_found_although_their_points_have_expired(conn, expired, found, rebuild):
    assert found() == []
    damage(conn, "DELETE FROM rollups WHERE run_id = 1 AND metric_id = 1")
    before = stored(conn)

    assert found() == ["rollups run 1"]
    assert not rebuild()

    assert stored(conn) == before


def test_points_of_no_run_are_found(conn, filled, found):
    damage(conn, "INSERT INTO points SELECT recorded_at, 4711, metric_id, value FROM points WHERE run_id = 1")

    assert found() == ["points run 4711"]


def test_points_that_differ_from_their_requests_are_found(conn, filled, found):
    damage(conn, "UPDATE points SET value = value + 1 WHERE run_id = 4 AND metric_id = 1")

    assert "points run 4 ttft" in found()


def test_runs_that_end_meanwhile_are_no_differences(settings, redis, filled, found):
    def store() -> None:
        for number in range(10, 20):
            show_run(settings, redis, number, NOW - timedelta(seconds=number))

    storing = threading.Thread(target=store)
    storing.start()
    compared = 0
    while storing.is_alive() or not compared:
        assert found() == []
        compared += 1
    storing.join()


def test_readers_and_runs_wait_for_no_day_or_window(conn, settings, filled):
    """What a rebuild changes is locked until its commit; whoever waited for it would hit the timeout."""
    derived.rebuild_days(conn, NOW - timedelta(days=9), NOW + timedelta(days=1), NEVER)
    derived.rebuild_windows(conn, NOW)
    views.refresh_views(conn)

    with closing(connect(settings)) as other:
        query(other, "SET lock_timeout = '1s'; SELECT")
        for name in ("points", "rollups", "period_rollups", "metric_means", "metric_quantiles", "run_totals"):
            assert query(other, f"SELECT count(*) FROM {name}") > [(0,)]
        fill_slot(other, settings, NOW, "meanwhile")


def test_runs_are_stored_and_shown_meanwhile(conn, settings, redis, filled, rebuild, client):
    damage(conn, "DELETE FROM rollups; DELETE FROM period_rollups")
    days = rebuild_days(conn, redis, settings, NOW)
    next(day for day in days if day.changed)
    show_run(settings, redis, 9, NOW)
    assert client.get("/api/v1/benchmarks/rankings/ttft").json["data"][0]["ttft"]

    list(days)
    rebuild_rankings(conn, redis, datetime.now(UTC))

    ((runs,),) = query(
        conn, "SELECT DISTINCT runs FROM metric_means WHERE source = 'simulation' AND time_window = 'all'"
    )
    assert runs == 4
