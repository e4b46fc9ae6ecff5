"""LLMs that are down or degraded, by published runs; trouble of the harness is never theirs."""

import pytest

from tests.factories import add_scenario
from tests.measured import answered, failed, level, measurement, store_level
from tests.support import query
from tests.watched import SERVER
from tests.web import slot
from webapp.ingest.publish import publish
from webapp.store import incidents
from webapp.watch.actions import close
from webapp.watch.state import title

DOWN = {
    "status": "failed",
    "error": "all 100 requests failed (timeout 100); the first with: no answer",
    "errors": {"timeout": 100},
}
GOOD = {"ttft": 1.0, "error_rate": 0.0, "slo_attainment": 1.0}
FAILING = {**GOOD, "error_rate": 0.3, "errors": {"rate_limited": 20, "timeout": 10}}
SLOW = {**GOOD, "slo_attainment": 0.5}


def test_an_llm_is_down_after_two_failed_runs_in_a_row(watched, opened, kinds):
    watched.show(**GOOD)
    watched.show(**DOWN)
    assert opened() == []

    watched.show(**DOWN)

    (incident,) = opened()
    assert (incident.subject, incident.severity, incident.cause) == (SERVER, "critical", DOWN["error"])
    assert (incident.started_at, incident.opened_at) == (slot(1), slot(2))
    assert [(signal.kind, signal.metric_name) for signal in incident.signals] == [("down", None)]
    watched.show(2, **DOWN)
    assert kinds() == ["opened"]


def test_it_is_up_again_with_the_first_run_that_finishes(watched, opened, kinds):
    watched.runs(3, **DOWN)
    watched.show(**GOOD)

    (incident,) = opened()
    assert (incident.status, incident.resolution) == ("resolved", "recovered")
    assert incident.signals[0].ended_at == slot(3)
    assert kinds() == ["opened", "resolved"]


def test_an_llm_is_degraded_while_no_load_meets_its_objectives(watched, opened):
    watched.show(3, capacity=12.0)
    watched.show(capacity=0.0)
    assert opened() == []

    watched.show(capacity=0.0)

    (incident,) = opened()
    (signal,) = incident.signals
    assert (signal.kind, signal.metric_name, signal.before, signal.after) == ("degraded", "capacity", 0, 0)
    assert title(incident) == "GPT-4o: capacity 0 requests/s"
    watched.show(2, capacity=12.0)
    assert opened()[0].status == "resolved"


@pytest.mark.parametrize(
    "trouble",
    [
        {"status": "failed", "measured": False, "error": "environment variable KEY: not set in the worker"},
        {"status": "invalid", "error_rate": 1.0},
        {"status": "missed", "measured": False},
    ],
)
def test_trouble_of_the_harness_counts_neither_way(watched, opened, trouble):
    watched.runs(5, **trouble)
    assert opened() == []

    watched.show(**DOWN)
    watched.runs(2, **trouble)
    assert opened() == []
    watched.show(**DOWN)
    assert opened()[0].severity == "critical"

    watched.runs(2, **trouble)
    assert opened()[0].status == "open"


def test_a_failed_simulation_is_no_incident(watched, opened):
    watched.runs(5, source="simulation", status="failed", measured=False, error="its process died")

    assert opened() == []


def test_an_llm_is_degraded_where_the_error_rates_of_two_runs_exceed_the_bound(watched, opened, kinds):
    watched.show(**GOOD)
    watched.show(**FAILING)
    assert opened() == []

    watched.show(**FAILING)

    (incident,) = opened()
    assert (incident.severity, incident.started_at) == ("major", slot(1))
    assert incident.cause == "60 of 200 requests failed (rate_limited 40, timeout 20)"
    (signal,) = incident.signals
    assert (signal.kind, signal.metric_name, signal.before) == ("degraded", "error_rate", 0.1)
    assert signal.after == pytest.approx(0.3)
    watched.show(**{**FAILING, "error_rate": 0.5})
    assert opened()[0].signals[0].after == pytest.approx(0.4)
    assert kinds() == ["opened"]


def test_an_llm_is_degraded_where_it_misses_its_objectives(watched, opened):
    watched.runs(2, **SLOW)

    (incident,) = opened()
    (signal,) = incident.signals
    assert (signal.metric_name, signal.before, signal.after) == ("slo_attainment", 0.9, 0.5)
    assert (incident.severity, incident.cause) == ("major", None)


def test_it_is_good_again_after_two_good_runs(watched, opened):
    watched.runs(2, **FAILING)
    watched.show(**GOOD)
    watched.show(**FAILING)
    watched.show(**GOOD)
    assert opened()[0].status == "open"

    watched.show(**GOOD)

    assert opened()[0].resolution == "recovered"


def test_an_incident_continues_from_down_to_degraded_and_is_as_severe_as_it_was(watched, opened, kinds):
    watched.runs(2, **DOWN)
    watched.show(**FAILING)

    (incident,) = opened()
    assert [(signal.kind, bool(signal.ended_at)) for signal in incident.signals] == [
        ("degraded", False), ("down", True),
    ]  # fmt: skip
    assert (incident.severity, incident.cause) == (
        "critical",
        "130 of 200 requests failed (timeout 110, rate_limited 20)",
    )
    assert kinds() == ["opened", "updated"]


def test_an_llm_that_is_down_again_is_no_news_of_an_open_incident_but_of_a_reopened_one(watched, kinds):
    watched.runs(2, **DOWN)
    for trouble in (FAILING, DOWN, DOWN, GOOD, GOOD):
        watched.show(**trouble)
    assert kinds() == ["opened", "updated", "resolved"]

    watched.runs(2, **FAILING)
    watched.runs(2, **DOWN)

    assert kinds()[3:] == ["reopened", "updated"]


def test_signals_are_listed_worst_first(watched, opened):
    watched.runs(2, **FAILING)
    watched.runs(2, **DOWN)

    (incident,) = opened()
    assert [signal.kind for signal in incident.signals] == ["down", "degraded"]


def test_scenarios_of_one_server_that_fail_are_one_incident(watched, conn, opened, kinds):
    add_scenario(conn, "chat@c8")
    watched.runs(2, **DOWN)
    watched.runs(2, scenario="chat@c8", **DOWN)

    (incident,) = opened()
    assert [signal.scenario for signal in incident.signals] == ["default", "chat@c8"]
    assert kinds() == ["opened"]


def test_a_closed_incident_needs_as_many_failed_runs_as_a_new_one(watched, conn, opened):
    watched.runs(3, **DOWN)
    with conn:
        close(conn, 1, None)
    watched.show(**DOWN)
    assert opened()[0].status == "resolved"

    watched.show(**DOWN)

    assert opened()[0].status == "open"


def test_a_late_run_is_no_news(watched, opened):
    watched.show(number=5, **DOWN)
    watched.show(number=4, **DOWN)
    assert opened() == []

    watched.show(number=6, **DOWN)

    assert opened()[0].started_at == slot(5)


def test_a_run_that_is_retried_is_one_run(conn, settings, redis, watched, opened):
    run_id = watched.store(**DOWN)
    watched.publish()
    for _ in range(2):
        query(conn, "UPDATE runs SET status = 'running' WHERE id = %s RETURNING id", run_id)
        query(conn, "UPDATE runs SET status = 'failed' WHERE id = %s RETURNING id", run_id)
        publish(conn, settings, redis)
    assert opened() == []

    watched.show(**DOWN)
    query(conn, "UPDATE runs SET status = 'running' WHERE id = %s RETURNING id", run_id + 1)
    query(conn, "UPDATE runs SET status = 'finished' WHERE id = %s RETURNING id", run_id + 1)
    publish(conn, settings, redis)

    assert [incident.status for incident in opened()] == ["resolved"]


def test_a_measured_level_that_fails_names_its_server_and_its_error_and_no_reader_sees_the_server(
    conn, settings, redis, client
):
    for number in range(2):
        result = level([failed(0, "server_error", "HTTP 503: overloaded"), failed(1)])
        store_level(conn, settings, redis, slot(number), measurement(), result)
    store_level(conn, settings, redis, slot(2), measurement("Other"), level([answered(0)]))
    publish(conn, settings, redis)

    (incident,) = incidents.read(conn)
    assert (incident.subject, incident.llm_names) == ("127.0.0.1:9", ["Measured"])
    assert incident.cause == (
        "all 2 requests failed (server_error 1, timeout 1); the first with: HTTP 503: overloaded"
    )
    (run, *_) = client.get("/api/v1/benchmarks/runs").json["runs"]
    assert run["measurement"]
    assert "server" not in run["measurement"]
