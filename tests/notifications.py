"""Targets of notifications, and events of incidents."""

from datetime import UTC, datetime

import pytest
from psycopg2.extras import Json

from tests.receiver import receiving
from tests.support import query

SECRET = "the-key-that-signs-the-webhooks"
SIGNAL = {
    "kind": "change", "llm": "GPT-4o", "scenario": "default", "metric": "ttft", "statistic": "mean",
    "before": 1.0, "after": 1.3, "change": 0.3, "low": 0.25, "high": 0.35,
    "started_at": "2026-11-26T11:50:00+00:00", "ended_at": None,
}  # fmt: skip
STATE = {
    "severity": "minor", "subject": "GPT-4o", "source": "simulation", "llms": ["GPT-4o"],
    "title": "GPT-4o: ttft 30 % slower", "cause": None, "signals": [SIGNAL],
    "started_at": "2026-11-26T11:50:00+00:00", "opened_at": "2026-11-26T12:00:00+00:00",
    "resolved_at": None, "resolution": None, "note": None,
}  # fmt: skip
NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)


def state(**changes: object) -> dict:
    return {**STATE, **changes}


@pytest.fixture
def receiver():
    with receiving() as found:
        yield found


@pytest.fixture
def hook(receiver, monkeypatch):
    """The receiver, as the target HOOK with the secret of HOOK_KEY."""
    monkeypatch.setenv("HOOK", f"{receiver.url}/the-secret-path")
    monkeypatch.setenv("HOOK_KEY", SECRET)
    return receiver


@pytest.fixture
def store_event(conn):
    """Stores an event of the incident of that id, which is stored with its first event."""

    def store(incident: int, number: int, kind: str, at: datetime = NOON, **changes: object) -> None:
        query(
            conn,
            "INSERT INTO incidents (id, source, subject, severity, started_at, opened_at, updated_at,"
            " resolved_at, resolution) OVERRIDING SYSTEM VALUE"
            " VALUES (%s, 'simulation', 'GPT-4o', 'minor', now(), now(), now(), now(), 'closed')"
            " ON CONFLICT (id) DO UPDATE SET source = excluded.source RETURNING id",
            incident,
        )
        query(
            conn,
            "INSERT INTO incident_events (incident_id, number, kind, at, state)"
            " VALUES (%s, %s, %s, %s, %s) RETURNING number",
            incident, number, kind, at, Json(state(**changes)),
        )  # fmt: skip

    return store
