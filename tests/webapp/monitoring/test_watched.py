"""Incidents and availability in /metrics."""

from datetime import UTC, datetime, timedelta

from tests.factories import archive_llm
from tests.incidents import store_availability, store_incident
from tests.support import query
from tests.web import slot
from tests.webapp.monitoring.scraping import check_with_promtool, scrape, value
from webapp.monitoring import watched
from webapp.store.incidents import SEVERITIES

NOW = datetime.now(UTC)
OPENED = "llm_benchmark_incident_opened_timestamp_seconds"
RATIO = "llm_benchmark_availability_ratio"
DEFAULT = {"source": "simulation", "scenario": "default"}


def labels_of(samples, name):
    return [dict(labels) for sample, labels in samples if sample == name]


def count_open(client):
    samples = scrape(client)
    return [value(samples, "llm_benchmark_incidents_open", severity=severity) for severity in SEVERITIES]


class TestIncidents:
    def test_are_counted_by_severity_while_they_are_open(self, client, conn):
        assert count_open(client) == [0, 0, 0]

        store_incident(conn, "GPT-4o", severity="critical")
        store_incident(conn, "Llama 3.1 70B", severity="critical")
        store_incident(conn, "Claude 3.5 Sonnet", severity="minor", resolution="recovered")

        assert count_open(client) == [0, 0, 2]

    def test_have_their_time_of_detection_for_each_affected_llm(self, client, conn):
        store_incident(conn, severity="major", number=3)
        store_incident(conn, source="measurement", metric="tps", number=4)
        store_incident(conn, "Llama 3.1 70B", resolution="accepted")
        samples = scrape(client)

        simulated = {"source": "simulation", "llm": "GPT-4o", "severity": "major"}
        measured = {"source": "measurement", "llm": "GPT-4o", "severity": "minor"}
        assert value(samples, OPENED, **simulated) == slot(3).timestamp()
        assert value(samples, OPENED, **measured) == slot(4).timestamp()
        assert len(labels_of(samples, OPENED)) == 2

    def test_no_longer_have_an_llm_whose_signals_have_ended(self, client, conn):
        store_incident(conn)
        query(conn, "UPDATE signals SET ended_at = now() RETURNING id")

        assert labels_of(scrape(client), OPENED) == []

    def test_of_many_signals_are_one_sample(self, client, conn):
        incident = store_incident(conn)
        query(
            conn,
            "INSERT INTO signals (incident_id, kind, scenario_id, llm_id, started_at, detected_at)"
            " SELECT incident_id, 'down', scenario_id, llm_id, started_at, detected_at FROM signals"
            " WHERE incident_id = %s RETURNING id",
            incident,
        )

        assert len(labels_of(scrape(client), OPENED)) == 1


class TestAvailability:
    def test_is_that_of_the_runs_that_ended_in_24_hours(self, client, conn):
        for hours, finished, failed in ((0, 1, 1), (22, 2, 0), (26, 0, 50)):
            store_availability(conn, NOW - timedelta(hours=hours), finished=finished, failed=failed)
        samples = scrape(client)

        assert value(samples, RATIO, llm="GPT-4o", **DEFAULT) == 0.75
        assert len(labels_of(samples, RATIO)) == 1

    def test_is_that_of_each_series(self, client, conn):
        store_availability(conn, NOW, finished=1)
        store_availability(conn, NOW, failed=1, llm="Llama 3.1 70B")
        store_availability(conn, NOW, finished=1, failed=3, source="measurement")
        samples = scrape(client)

        assert value(samples, RATIO, llm="GPT-4o", **DEFAULT) == 1
        assert value(samples, RATIO, llm="Llama 3.1 70B", **DEFAULT) == 0
        assert value(samples, RATIO, llm="GPT-4o", source="measurement", scenario="default") == 0.25

    def test_is_absent_for_archived_llms_and_without_runs_that_say_something(self, client, conn):
        store_availability(conn, NOW, finished=1)
        store_availability(conn, NOW, llm="Llama 3.1 70B")
        with conn:
            archive_llm(conn, "GPT-4o")

        assert labels_of(scrape(client), RATIO) == []


def test_the_slot_of_the_newest_judged_run_is_served(client, conn):
    query(
        conn,
        "INSERT INTO watched_series (source, scenario_id, llm_id, metric_id, statistic, slot, p_value)"
        " SELECT 'simulation', 1, 1, id, 'mean', %s + id * interval '1 s', 0.5 FROM metrics WHERE id < 3"
        " RETURNING 1",
        slot(0),
    )

    served = value(scrape(client), "llm_benchmark_last_judged_run_timestamp_seconds", source="simulation")
    assert served == slot(0).timestamp() + 2


def test_their_names_keep_to_prometheus_rules(client, conn):
    store_incident(conn)
    store_availability(conn, NOW, finished=1)

    check_with_promtool(client.get("/metrics").text)


def test_the_cost_of_a_scrape_does_not_grow_with_history(conn):
    for llm in ("GPT-4o", "Llama 3.1 70B"):
        store_availability(conn, NOW, finished=1, llm=llm)
        store_incident(conn, llm)
    for statement in (
        "INSERT INTO availability SELECT period, source, scenario_id, llm_id, starts_at - hours * interval"
        " '1 hour', 1, 0, 0, 0 FROM availability, generate_series(1, 5000) AS hours WHERE period = 'hour'"
        " RETURNING 1",
        "INSERT INTO incidents (source, subject, severity, started_at, opened_at, updated_at, resolved_at,"
        " resolution) SELECT source, subject, severity, started_at, opened_at, updated_at, now(), 'recovered'"
        " FROM incidents, generate_series(1, 5000) RETURNING 1",
        "INSERT INTO signals (incident_id, kind, scenario_id, llm_id, started_at, detected_at, ended_at)"
        " SELECT id, 'down', 1, 1, now(), now(), now() FROM incidents WHERE resolved_at IS NOT NULL"
        " RETURNING 1",
    ):
        query(conn, statement)
    query(conn, "ANALYZE availability, incidents, signals; SELECT 1")

    def rows_read():
        tables = ["availability", "incidents", "signals"]
        ((rows,),) = query(
            conn,
            "SELECT sum(seq_tup_read + idx_tup_fetch)::integer FROM pg_stat_xact_user_tables"
            " WHERE relname = ANY(%s)",
            tables,
        )
        return rows

    before = rows_read()
    with conn:
        list(watched.collect(conn))

    assert 0 < rows_read() - before < 200
