"""Incidents as a test needs them, stored as the program does."""

from datetime import timedelta

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
) -> int:
    """Store an incident that opened in the slot of that number, with one signal and one event; return its id.

    With a `resolution` it was resolved an hour later. Commits.
    """
    opened = slot(number)
    resolved = opened + timedelta(hours=1) if resolution else None
    ((incident_id,),) = query(
        conn,
        "INSERT INTO incidents (source, subject, severity, started_at, opened_at, updated_at, resolved_at,"
        " resolution, cause) VALUES (%s, %s, %s, %s, %s, now(), %s, %s, %s) RETURNING id",
        *(source, llm, severity, opened, opened, resolved, resolution, cause),
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
