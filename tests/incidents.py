"""Incidents as a test needs them, stored as the program does."""

from datetime import datetime, timedelta

from psycopg2.extras import Json

from tests.support import query
from tests.web import slot
from webapp.store import Connection


def store_incident(
    conn: Connection,
    llm: str = "GPT-4o",
    *,
    kind: str = "change",
    severity: str = "minor",
    source: str = "simulation",
    scenario: str = "default",
    metric: str | None = "ttft",
    statistic: str | None = "mean",
    cause: str | None = None,
    resolution: str | None = None,
    number: int = 1,
    subject: str | None = None,
    opened: datetime | None = None,
) -> int:
    """Store an incident that opened in the slot of that number, with one signal and one event; return its id.

    `opened` is a time instead of a slot. The subject is the LLM by default. With a `resolution` it was
    resolved an hour later. Commits.
    """
    opened = opened or slot(number)
    resolved = opened + timedelta(hours=1) if resolution else None
    ((incident_id,),) = query(
        conn,
        "INSERT INTO incidents (source, subject, severity, started_at, opened_at, updated_at, resolved_at,"
        " resolution, cause) VALUES (%s, %s, %s, %s, %s, now(), %s, %s, %s) RETURNING id",
        *(source, subject or llm, severity, opened, opened, resolved, resolution, cause),
    )
    figures = (1.0, 1.3, 0.3, 0.25, 0.35) if kind == "change" else (None,) * 5
    query(
        conn,
        "INSERT INTO signals (incident_id, kind, scenario_id, llm_id, metric_id, statistic, started_at,"
        " detected_at, ended_at, before, after, change, low, high)"
        " SELECT %s, %s, scenarios.id, llms.id, (SELECT id FROM metrics WHERE name = %s), %s, %s, %s, %s,"
        " %s, %s, %s, %s, %s FROM scenarios, llms WHERE scenarios.name = %s AND llms.name = %s RETURNING id",
        *(incident_id, kind, metric, statistic, opened, opened, resolved, *figures, scenario, llm),
    )
    query(
        conn,
        "INSERT INTO incident_events (incident_id, number, kind, at, state)"
        " VALUES (%s, 1, 'opened', now(), %s) RETURNING number",
        *(incident_id, Json({"severity": severity})),
    )
    return incident_id


def store_availability(
    conn: Connection,
    starts_at: datetime,
    *,
    finished: int = 0,
    failed: int = 0,
    llm: str = "GPT-4o",
    source: str = "simulation",
    scenario: str = "default",
) -> None:
    """Add runs that ended like this to the hour and the day (UTC) of that time. Commits."""
    for period in ("hour", "day"):
        query(
            conn,
            "INSERT INTO availability (period, source, scenario_id, llm_id, starts_at, finished, failed,"
            " invalid, missed) SELECT %s, %s, scenarios.id, llms.id, date_trunc(%s, %s, 'UTC'), %s, %s, 1, 1"
            " FROM scenarios, llms WHERE scenarios.name = %s AND llms.name = %s"
            " ON CONFLICT (period, source, scenario_id, llm_id, starts_at) DO UPDATE SET"
            " finished = availability.finished + excluded.finished,"
            " failed = availability.failed + excluded.failed RETURNING 1",
            *(period, source, period, starts_at, finished, failed, scenario, llm),
        )
