"""The migrations, up and down, with and without data."""

import os
import re
import subprocess
import sys
from contextlib import closing

import pytest
from flask_migrate import check, downgrade, upgrade
from psycopg2 import sql
from psycopg2.extras import Json
from sqlalchemy import PrimaryKeyConstraint

from llm_measure.endpoints import Endpoint
from llm_measure.metrics import METRICS
from tests.measured import answered, level, measurement, store_level
from tests.plain_role import SCHEMA as OTHER_SCHEMA
from tests.plain_role import create_database
from tests.support import query, run_sql
from tests.web import show_run, slot
from webapp.ingest.publish import publish
from webapp.ingest.register import refuse_changed
from webapp.models import db
from webapp.settings import ROOT, Settings
from webapp.store import connect, run_records, views

TABLES = """
SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace
AND relkind IN ('r', 'p', 'm', 'v') AND relname <> 'alembic_version' ORDER BY 1
"""
# All that a migration can create, each with its definition.
SCHEMA = """
SELECT 'column', attrelid::regclass::text, attname, row_number() OVER (PARTITION BY attrelid ORDER BY attnum),
       format_type(atttypid, atttypmod), attnotnull, pg_get_expr(adbin, adrelid)
FROM pg_attribute
JOIN pg_class ON pg_class.oid = attrelid
LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p', 'm')
  AND attnum > 0 AND NOT attisdropped
UNION ALL
SELECT 'constraint', conrelid::regclass::text, conname, 0, pg_get_constraintdef(oid), convalidated, NULL
FROM pg_constraint WHERE connamespace = current_schema()::regnamespace
UNION ALL
SELECT 'index', tablename, indexname, 0, indexdef, true, NULL
FROM pg_indexes WHERE schemaname = current_schema()
UNION ALL
SELECT 'relation', relname, relkind::text, 0, CASE WHEN relkind = 'm' THEN pg_get_viewdef(oid) END,
       relispartition, NULL
FROM pg_class WHERE relnamespace = current_schema()::regnamespace
UNION ALL
SELECT 'function', proname, prokind::text, 0, CASE WHEN prokind = 'f' THEN pg_get_functiondef(oid) END, true,
       NULL
FROM pg_proc WHERE pronamespace = current_schema()::regnamespace
UNION ALL
SELECT 'trigger', tgrelid::regclass::text, tgname, 0, pg_get_triggerdef(oid), true, NULL
FROM pg_trigger WHERE NOT tgisinternal
"""
# By which a table's file is replaced when it is rewritten.
FILES = (
    "SELECT relname, relfilenode FROM pg_class WHERE relnamespace = current_schema()::regnamespace ORDER BY 1"
)
COMPLETIONS = measurement(endpoint=Endpoint("http://127.0.0.1:9/v1", "m", "completions"))


@pytest.fixture
def empty(environment, counter):
    """The environment of a database without tables."""
    name = f"empty_{os.getpid()}_{next(counter)}"
    create_database(environment, name)
    yield {**environment, "POSTGRES_DB": name}
    run_sql(environment, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def go(app, conn):
    """Migrates the test's database up to head, or down to a revision."""

    def go(revision: str) -> None:
        conn.rollback()
        with app.app_context():
            (upgrade if revision == "head" else downgrade)(revision=revision)

    return go


@pytest.fixture
def filled(conn, settings, redis):
    """Fills the database with simulated, measured, failed and invalid runs, and publishes them."""
    good = level([answered(0), answered(1)])
    odd = level([answered(0)], invalid_reason="the client was the limit")
    show_run(settings, redis, 0)
    for number, (what, result) in enumerate(
        [(measurement(), good), (measurement(), odd), (COMPLETIONS, good), (measurement("GPT-4o"), good)]
    ):
        store_level(conn, settings, redis, slot(number), what, result)
    publish(conn, settings, redis)


def schema(conn) -> set[tuple]:
    return set(query(conn, SCHEMA))


def rows(conn, but: tuple[str, ...] = ("alembic_version", "generation")) -> dict[str, list[str]]:
    """All rows of all tables and views, partitions apart, as text."""
    found = {}
    for (name,) in query(conn, TABLES):
        if name not in but and not re.search(r"_\d{8}$|^period_rollups_", name):
            statement = sql.SQL("SELECT t::text FROM {} AS t ORDER BY 1").format(sql.Identifier(name))
            found[name] = [text for (text,) in query(conn, statement.as_string(conn))]
    return found


def flask_db(environment, *arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "flask", "db", *arguments],
        cwd=ROOT, env={**os.environ, **environment, "LOG_LEVEL": "ERROR"},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def test_the_models_and_the_migrated_schema_agree(app):
    with app.app_context():
        check()


def test_every_constraint_and_index_has_the_name_of_the_models(app, conn):
    with app.app_context():
        names = {
            str(element.name)
            for table in db.metadata.tables.values()
            for element in (*table.constraints, *table.indexes)
            if not isinstance(element, PrimaryKeyConstraint) or element.columns
        }

    found = query(
        conn,
        "SELECT conname FROM pg_constraint WHERE contype IN ('p', 'u', 'f', 'c') AND coninhcount = 0"
        " AND connamespace = current_schema()::regnamespace AND conrelid <> 'alembic_version'::regclass"
        " UNION SELECT indexname FROM pg_indexes WHERE starts_with(indexname, 'ix_')",
    )
    assert {name for (name,) in found} == names


def test_no_former_name_is_left(conn):
    named = {value for row in schema(conn) for value in row[1:3]}

    assert [name for name in named if re.search("workload|harness", name)] == []


@pytest.mark.parametrize("revision", [f"{number:04}" for number in range(1, 12) if number != 6])
def test_down_and_up_again_leads_to_the_same_schema(go, conn, revision):
    before = schema(conn)

    go(revision)
    at_revision = schema(conn)
    go("head")
    assert schema(conn) == before

    go(revision)
    assert schema(conn) == at_revision


def test_the_last_downgrade_leaves_nothing(go, conn):
    go("base")

    assert query(conn, TABLES) == []


def test_daily_partitions_are_migrated_with_their_table(app, go, conn, filled):
    with app.app_context():
        check()

    go("0005")
    go("head")

    with app.app_context():
        check()
    go("base")
    assert query(conn, TABLES) == []


def test_data_survives_a_downgrade_to_0005_and_back(go, conn, filled):
    # What 0005 does not know is removed first.
    with conn, conn.cursor() as cursor:
        cursor.execute("DELETE FROM points WHERE metric_id > 9")
        cursor.execute(
            "UPDATE requests SET first_answer_ns = NULL, cached_tokens = NULL, reasoning_tokens = NULL,"
            " answered_by = NULL"
        )
        for table in ("rollups", "period_rollups"):
            cursor.execute(f"DELETE FROM {table} WHERE metric_id > 9")
        for view in ("metric_means", "metric_quantiles"):
            cursor.execute(f"REFRESH MATERIALIZED VIEW {view}")
        cursor.execute(
            'UPDATE scenarios SET definition = definition || \'{"api": "chat"}\' WHERE definition IS NOT NULL'
        )
        cursor.execute("DELETE FROM watched_series; UPDATE rollups SET p95 = NULL")
    before, generation = rows(conn), views.generation(conn)
    assert before["points"]
    assert before["period_rollups"]
    assert before["requests"]
    assert before["availability"]

    go("0005")
    go("head")

    assert rows(conn) == before
    assert views.generation(conn) > generation


def test_0005_gets_back_what_it_knew(go, conn, filled):
    go("0005")

    assert query(conn, "SELECT id, name, unit, formula FROM metrics WHERE id >= 8 ORDER BY id") == [
        (8, "error_rate", "share", "requests that failed, over all requests"),
        (
            9,
            "goodput",
            "share",
            "requests that met every objective (SLO), over all requests, failed ones included",
        ),
    ]
    definitions = query(
        conn, "SELECT name, definition FROM workloads WHERE definition IS NOT NULL ORDER BY id"
    )
    assert [name for name, _ in definitions] == ["chat@c8", "chat@c8-completions"]
    assert all("api" not in definition for _, definition in definitions)
    for table in ("points", "rollups", "period_rollups", "metric_means", "metric_quantiles"):
        assert query(conn, f"SELECT max(metric_id) FROM {table}") == [(9,)]
    assert query(conn, "SELECT count(DISTINCT workload_id) FROM metric_means") == [(3,)]


def test_runs_that_0005_has_stored_are_scenarios_ranked_by_slo_attainment(go, conn, client, settings, redis):
    go("0005")
    planned = measurement()
    definition = {name: value for name, value in planned.definition.items() if name != "api"}
    with conn, conn.cursor() as cursor:
        cursor.execute(
            "INSERT INTO workloads (name, description, definition) VALUES ('chat@c8', 'short', %s)",
            (Json(definition),),
        )
        cursor.execute(
            "INSERT INTO runs"
            " (source, workload_id, llm_id, slot, status, attempts, token, job_id, started_at)"
            " VALUES ('measurement', 2, 1, %s, 'finished', 1, gen_random_uuid(), 'job', now())",
            (slot(1),),
        )
        cursor.execute(
            "INSERT INTO rollups SELECT max(id), 9, 1, 0.75, 0, 0.75, 0.75,"
            " ROW(histogram_bucket(0.75), ARRAY[1])::histogram FROM runs"
        )
        cursor.execute("INSERT INTO harness_errors VALUES (%s, 'ttft', 1, 0.2, 0.001, 0.002)", (slot(1),))

    go("head")
    publish(conn, settings, redis)

    refuse_changed(conn, planned.scenario, planned.definition)
    board = client.get(
        "/api/v1/benchmarks/leaderboard?source=measurement&scenario=chat@c8&metric=slo_attainment"
    ).json["metrics"][0]
    assert board["unit"] == "ratio"
    assert [(row["llm_name"], row["mean"]) for row in board["llms"]] == [("GPT-4o", 0.75)]
    checks = client.get("/api/v1/benchmarks/self-checks").json["checks"]
    assert len(checks) == 1
    # The sequence continues.
    store_level(conn, settings, redis, slot(2), COMPLETIONS, level([answered(0)]))
    assert query(conn, "SELECT id, name FROM scenarios ORDER BY id") == [
        (1, "default"),
        (2, "chat@c8"),
        (3, "chat@c8-completions"),
    ]


def test_what_0007_has_stored_is_kept_and_no_table_is_rewritten(go, conn, filled):
    files = (
        "SELECT relname, relfilenode FROM pg_class WHERE relname ~ '^requests' AND relkind = 'r' ORDER BY 1"
    )
    go("0007")
    assert query(conn, "SELECT max(metric_id) FROM points") == [(10,)]
    before, stored = query(conn, files), query(conn, "SELECT * FROM requests ORDER BY run_id, number")
    assert stored

    go("head")

    assert query(conn, files) == before
    added = (None,) * 7
    assert query(conn, "SELECT * FROM requests ORDER BY run_id, number") == [(*row, *added) for row in stored]
    names = [name for (name,) in query(conn, "SELECT name FROM metrics WHERE id > 10 ORDER BY id")]
    assert names[:4] == ["ttfa", "reasoning_share", "total_throughput", "prefill_throughput"]


def test_0009_rewrites_no_table_and_does_not_wait_for_a_dump(go, conn, filled, environment):
    go("0008")
    before, stored = query(conn, FILES), rows(conn)

    with closing(connect(Settings.from_env(environment))) as dump, dump.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")
        tables = ", ".join(name for (name,) in cursor.fetchall())
        cursor.execute(f"LOCK TABLE {tables} IN ACCESS SHARE MODE")
        run_sql(environment, f"ALTER DATABASE {environment['POSTGRES_DB']} SET lock_timeout = '2s'")
        assert flask_db(environment, "upgrade", "0009").returncode == 0

    assert query(conn, FILES) == before
    assert rows(conn) == stored


def test_0010_rewrites_no_table_and_shows_what_0009_did(go, conn, filled, environment):
    failures = run_records.last_failures(conn, source="measurement", scenario_id=2)
    assert failures
    go("0009")
    before = query(conn, FILES)

    assert flask_db(environment, "upgrade", "0010").returncode == 0

    assert query(conn, FILES) == before
    assert run_records.last_failures(conn, source="measurement", scenario_id=2) == failures


def test_0011_rewrites_no_table_and_counts_the_runs_of_hours_and_days(go, conn, filled):
    counted = "SELECT * FROM availability ORDER BY period, source, scenario_id, llm_id, starts_at"
    stored = query(conn, counted)
    assert {row[0] for row in stored} == {"hour", "day"}
    go("0010")
    before = query(conn, FILES)

    go("head")

    assert set(query(conn, FILES)) > set(before)
    assert query(conn, counted) == stored


def test_0012_rewrites_no_table_and_its_downgrade_forgets_its_metrics_and_incidents_of_these(
    go, conn, filled
):
    with conn, conn.cursor() as cursor:
        cursor.execute(
            "WITH opened AS (INSERT INTO incidents"
            " (source, subject, severity, started_at, opened_at, updated_at)"
            " SELECT 'measurement', subject, 'major', now(), now(), now()"
            " FROM unnest(ARRAY['new', 'both']) AS subject RETURNING id, subject)"
            " INSERT INTO signals"
            " (incident_id, kind, scenario_id, llm_id, metric_id, started_at, detected_at)"
            " SELECT id, 'degraded', 2, 1, metric, now(), now() FROM opened"
            " JOIN (VALUES ('new', 17), ('both', 18), ('both', 1)) AS has (subject, metric) USING (subject)"
        )

    go("0011")
    before = query(conn, FILES)

    assert query(conn, "SELECT max(id) FROM metrics") == [(16,)]
    assert query(
        conn, "SELECT subject, metric_id FROM signals JOIN incidents ON incidents.id = incident_id"
    ) == [("both", 1)]
    assert query(conn, "SELECT count(*) FROM incidents") == [(1,)]
    go("head")
    assert set(query(conn, FILES)) > set(before)


def test_0002_keeps_runs_and_an_invalid_one_as_failed(app, go, conn, settings, redis):
    good, odd = level([answered(0)]), level([answered(0)], invalid_reason="the client was the limit")
    for number, result in enumerate((good, odd)):
        store_level(conn, settings, redis, slot(number), measurement(), result)
    publish(conn, settings, redis)

    go("0002")
    assert query(conn, "SELECT status, error FROM runs ORDER BY id") == [
        ("finished", None),
        ("failed", "the client was the limit"),
    ]
    assert query(conn, "SELECT max(metric_id) FROM rollups") == [(4,)]
    go("head")
    with app.app_context():
        check()


def test_upgrading_an_up_to_date_database_updates_its_metrics(environment, conn):
    with conn, conn.cursor() as cursor:
        cursor.execute("UPDATE metrics SET title = '', formula = 'outdated', unit = 'h'")
        cursor.execute("DELETE FROM metrics WHERE name = 'goodput'")

    assert flask_db(environment, "upgrade").returncode == 0

    assert query(conn, "SELECT name, title, unit, formula FROM metrics ORDER BY id") == [
        (metric.name, metric.title, metric.unit.symbol, metric.formula)
        for metric in sorted(METRICS, key=lambda metric: metric.id)
    ]


def test_a_downgrade_does_not_update_the_metrics_from_this_version(go, conn):
    go("0004")

    assert query(conn, "SELECT max(id) FROM metrics") == [(9,)]


def test_three_concurrent_migrators_run_each_migration_once_and_all_succeed(empty):
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "flask", "db", "upgrade"],
            cwd=ROOT,
            env={**os.environ, **empty},
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]

    logs = [process.communicate(timeout=60)[1] for process in processes]

    assert [process.returncode for process in processes] == [0, 0, 0], logs
    steps = re.findall(r"Running upgrade .*?-> (\w+)", "\n".join(logs))
    assert sorted(steps) == sorted(path.stem[:4] for path in (ROOT / "migrations/versions").glob("*.py"))
    with closing(connect(Settings.from_env(empty))) as conn:
        names = query(conn, "SELECT name FROM llms ORDER BY id")
    assert names == [("GPT-4o",), ("Llama 3.1 70B",), ("Claude 3.5 Sonnet",)]


@pytest.mark.parametrize("command", ["upgrade", "downgrade"])
def test_an_unreachable_database_is_reported_in_one_line(environment, command):
    done = flask_db({**environment, "POSTGRES_HOST": "/nowhere"}, command)

    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("cannot migrate the database: ")
    assert "/nowhere" in line


def test_another_schema_is_the_one_that_its_functions_search(empty):
    assert flask_db(empty, "upgrade").returncode == 0

    with closing(connect(Settings.from_env(empty))) as conn:
        settings = query(conn, "SELECT proconfig FROM pg_proc WHERE proname = 'count_ended_run'")
    assert settings == [([f"search_path={OTHER_SCHEMA}, pg_temp"],)]


def test_a_new_database_does_not_repeat_the_generations_of_an_old_one(conn, empty):
    (old,) = query(conn, "SELECT value FROM generation")[0]
    assert flask_db(empty, "upgrade").returncode == 0

    with closing(connect(Settings.from_env(empty))) as other:
        (new,) = query(other, "SELECT value FROM generation")[0]

    # The old one would have to be raised every microsecond to get this far.
    assert new > old
