from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

import psycopg2
import pytest

from llm_measure.metrics import METRICS
from tests.factories import add_failed_runs, add_run, add_scenario
from tests.support import query
from webapp.store import catalogue

SLOT = datetime(2026, 11, 24, 12, tzinfo=UTC)


@contextmanager
def registered(**changes):
    """Register one more metric for the block."""
    metric = replace(METRICS["ttft"], **{"id": 999, "name": "toy", **changes})
    METRICS.register(metric)
    try:
        yield
    finally:
        METRICS.unregister(metric.name)


def rows_read(cursor) -> int:
    """Return how many rows of the table of runs have been read."""
    cursor.execute("SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'runs'")
    return cursor.fetchone()[0]


def test_names_lead_to_ids_and_unknown_names_to_none(conn):
    assert query(conn, "SELECT name FROM llms WHERE id = %s", catalogue.llm_id(conn, "GPT-4o")) == [
        ("GPT-4o",)
    ]
    assert query(
        conn, "SELECT name FROM scenarios WHERE id = %s", catalogue.scenario_id(conn, "default")
    ) == [("default",)]
    assert catalogue.llm_id(conn, "nobody") is catalogue.scenario_id(conn, "nothing") is None


def test_the_scenarios_of_a_source_are_those_with_runs_that_a_generation_shows(conn):
    for name, shown_by in (("chat@c8", 1), ("rag@c1", None)):
        add_scenario(conn, name)
        add_run(conn, SLOT, source="measurement", scenario=name, generation=shown_by)

    assert catalogue.scenario_names(conn) == ["default", "chat@c8", "rag@c1"]
    assert catalogue.scenario_names(conn, "measurement") == ["chat@c8"]
    assert catalogue.scenario_names(conn, "simulation") == []


def test_the_scenarios_of_a_source_cost_no_scan_of_its_runs(conn):
    add_failed_runs(conn, 5000)
    with conn, conn.cursor() as cursor:
        cursor.execute("UPDATE runs SET generation = 1")
        cursor.execute("INSERT INTO scenarios (name, description) VALUES ('chat@c8', ''), ('rag@c1', '')")
        cursor.execute("ANALYZE runs")

    # In one transaction, since the counts begin again between two.
    with conn, conn.cursor() as cursor:
        before = rows_read(cursor)
        assert catalogue.scenario_names(conn, "simulation") == ["default"]
        assert rows_read(cursor) - before == 1


def test_the_table_has_every_registered_metric(conn):
    rows = query(
        conn,
        "SELECT id, name, title, unit, better, formula, lower_bound, upper_bound FROM metrics ORDER BY id",
    )

    assert rows == [
        (
            metric.id,
            metric.name,
            metric.title,
            metric.unit.symbol,
            metric.better,
            metric.formula,
            *metric.bounds,
        )
        for metric in sorted(METRICS, key=lambda metric: metric.id)
    ]


def test_a_new_metric_is_added_and_a_removed_one_stays(conn):
    with registered(title="Toy", bounds=(-1.0, 1.0)):
        catalogue.sync_metrics(conn)
    with registered(name="other", id=998):
        catalogue.sync_metrics(conn)

    assert query(
        conn, "SELECT id, title, lower_bound, upper_bound FROM metrics WHERE id > 900 ORDER BY id"
    ) == [(998, METRICS["ttft"].title, 0.0, None), (999, "Toy", -1.0, 1.0)]


def test_a_name_of_another_stored_metric_is_refused(conn):
    with registered():
        catalogue.sync_metrics(conn)

    with registered(id=998), pytest.raises(psycopg2.errors.UniqueViolation):
        catalogue.sync_metrics(conn)
