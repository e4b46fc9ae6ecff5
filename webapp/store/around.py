"""What happened around an incident: its runs, and the values of its metrics by run."""

from datetime import datetime

from webapp.store import Connection, run_records, sql_file
from webapp.store.history import Bucket
from webapp.store.run_records import RunRecord

RUNS_AROUND = sql_file("runs_around")
HISTORY_AROUND = sql_file("history_around")


def runs(conn: Connection, incident_id: int, *, before: int, after: int, limit: int) -> list[RunRecord]:
    """Return the runs around the incident's start, newest first, at most `limit`.

    Of each LLM and scenario of its signals, the last `before` runs before it and `after` runs from it on.
    """
    arguments = {"incident_id": incident_id, "before": before, "after": after, "limit": limit}
    with conn.cursor() as cursor:
        cursor.execute(RUNS_AROUND, arguments)
        found = run_records.read(conn, run_ids=[run_id for (run_id,) in cursor.fetchall()])
    return sorted(found, key=lambda run: (run.slot, run.id), reverse=True)


def history(  # noqa: PLR0913  (each is a filter)
    conn: Connection,
    *,
    metric_name: str,
    source: str,
    scenario_id: int,
    llm_id: int,
    moment: datetime,
    before: int,
    after: int,
) -> list[Bucket]:
    """Return the values by run, oldest first: the last `before` ones before the moment and `after` others."""
    arguments = {
        "metric_name": metric_name,
        "source": source,
        "scenario_id": scenario_id,
        "llm_id": llm_id,
        "moment": moment,
        "before": before,
        "after": after,
    }
    with conn.cursor() as cursor:
        cursor.execute(HISTORY_AROUND, arguments)
        return [Bucket(*row) for row in cursor.fetchall()]
