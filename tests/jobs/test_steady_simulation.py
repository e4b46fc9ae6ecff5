"""Simulated values are drawn from one law: no incident without an injected change."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from jobs import simulation_run
from jobs.simulate import simulate
from tests.support import query
from webapp.ingest.publish import publish
from webapp.store import changes, incidents

START = datetime(2026, 11, 1, tzinfo=UTC)
PAST, HOURS = 40, 72  # those of the past are published together


def at(hour: int) -> datetime:
    return START + timedelta(hours=hour)


@pytest.fixture
def run(settings, conn, redis):
    """Runs the simulation of an hour, and publishes it; like with SEED empty, each hour has other values."""

    def run(hour: int) -> None:
        simulation_run.fill_slot(conn, replace(settings, seed=hour, points_per_run=1000), at(hour), "job")
        if hour >= PAST:
            publish(conn, settings, redis)

    return run


def test_only_an_injected_change_raises_an_incident(conn, run, monkeypatch):
    for hour in range(HOURS):
        run(hour)

    assert incidents.read(conn) == []
    assert changes.read(conn, since=START) == []
    watched = query(conn, "SELECT count(*) FROM watched_series WHERE slot = %s", at(HOURS - 1))
    assert watched == [(3 * 4 * 2,)]

    def slower(llm: str, metric, seed: int, n: int):
        return simulate(llm, metric, seed, n) * (1.3 if (llm, metric.name) == ("GPT-4o", "ttft") else 1)

    monkeypatch.setattr(simulation_run, "simulate", slower)
    for hour in range(HOURS, HOURS + 9):
        run(hour)

    (incident,) = incidents.read(conn)
    assert (incident.source, incident.subject, incident.status) == ("simulation", "GPT-4o", "open")
    assert at(HOURS - 2) <= incident.started_at <= at(HOURS + 2)
    assert incident.opened_at <= at(HOURS + 8)
    assert {(each.kind, each.metric_name) for each in incident.signals} == {("change", "ttft")}
    for each in incident.signals:
        assert each.change == pytest.approx(0.3, abs=0.05)
        assert each.low < each.change < each.high
