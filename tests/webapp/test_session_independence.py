"""What the schema computes depends on no setting of the session: dumps, replicas and roles have their own."""

import pytest

from tests.measured import answered, level, measurement, store_level
from tests.support import query
from tests.web import show_run, slot
from webapp.ingest.publish import publish

# A call of every function, which is compared under all settings; None for those of triggers.
CALLS = {
    "duration_bucket": "SELECT benchmark.duration_bucket(0.3)",
    "histogram_add": "SELECT benchmark.histogram_add(ROW(3, '{1,2}'), ROW(1, '{5}'))",
    "histogram_bucket": "SELECT benchmark.histogram_bucket(0.3)",
    "histogram_quantiles": "SELECT benchmark.histogram_quantiles(ROW(990, '{1,2,3}'), 6, 0, 9, '{0.5,0.99}')",
    "histogram_sum": "SELECT benchmark.histogram_sum(h) FROM (VALUES"
    " (ROW(3, '{1,2}')::benchmark.histogram), (ROW(1, '{5}')::benchmark.histogram)) AS t (h)",
    "t_975": "SELECT benchmark.t_975(7) + benchmark.t_975(70)",
    "count_ended_run": None,
    "forget_generation": None,
}
OTHER_SETTINGS = {
    "no search path": {"search_path": ""},
    "another search path": {"search_path": "pg_temp, pg_catalog"},
    "another time zone": {"timezone": "Asia/Kathmandu", "intervalstyle": "iso_8601"},
    "another date style": {"datestyle": "SQL, DMY"},
    "fewer digits": {"extra_float_digits": "-10"},
}
TRIGGERING = (
    "UPDATE benchmark.runs SET status = 'running', started_at = '2026-11-24T12:00Z' WHERE id = 1",
    "UPDATE benchmark.runs SET status = 'finished', finished_at = '2026-11-24T12:00:01Z' WHERE id = 1",
    "SET CONSTRAINTS ALL IMMEDIATE",
)
COMPUTED_AGAIN = (
    "UPDATE benchmark.period_rollups SET n = n",
    "REFRESH MATERIALIZED VIEW benchmark.metric_means",
    "REFRESH MATERIALIZED VIEW benchmark.metric_quantiles",
)
STORED = ("period_rollups", "metric_means", "metric_quantiles", "run_totals", "runs")


@pytest.fixture
def filled(conn, settings, redis):
    show_run(settings, redis, 0)
    store_level(conn, settings, redis, slot(1), measurement(), level([answered(0), answered(1)]))
    publish(conn, settings, redis)


def test_every_function_is_called(conn):
    names = query(
        conn, "SELECT DISTINCT proname FROM pg_proc WHERE pronamespace = current_schema()::regnamespace"
    )

    assert {name for (name,) in names} == set(CALLS)


@pytest.mark.parametrize("name", OTHER_SETTINGS)
def test_nothing_depends_on(conn, filled, name):
    expected = computed(conn, {})

    assert computed(conn, OTHER_SETTINGS[name]) == expected


def computed(conn, settings: dict[str, str]) -> dict[str, object]:
    """All that the schema computes under these settings, read under the usual ones; nothing is kept."""
    results: dict[str, object] = {}
    with conn.cursor() as cursor:
        for setting, value in settings.items():
            cursor.execute("SELECT set_config(%s, %s, true)", (setting, value))
        for name, call in CALLS.items():
            if call:
                cursor.execute(f"CREATE TEMPORARY TABLE result_{name} AS {call}")
        for statement in (*TRIGGERING, *COMPUTED_AGAIN):
            cursor.execute(statement)
        for setting in settings:
            cursor.execute(f"RESET {setting}")
        for name, call in CALLS.items():
            if call:
                cursor.execute(f"SELECT r::text FROM pg_temp.result_{name} AS r")
                results[name] = cursor.fetchall()
        for name in STORED:
            cursor.execute(f"SELECT t::text FROM {name} AS t ORDER BY 1")
            results[name] = cursor.fetchall()
    conn.rollback()
    return results
