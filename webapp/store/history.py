"""A metric by hour or day, from the merged rollups."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from webapp.store import Connection, sql_file

HISTORY = sql_file("history")


@dataclass(frozen=True)
class Bucket:
    """One LLM's values of one hour or day, in the metric's unit."""

    llm_name: str
    starts_at: datetime
    runs: int
    n: int
    mean: float
    p50: float
    p95: float
    p99: float


def read(  # noqa: PLR0913  (each is a filter)
    conn: Connection,
    *,
    metric_name: str,
    step: str,
    reach: timedelta | None,
    source: str,
    scenario_id: int,
    llm_id: int | None,
    limit: int,
) -> list[Bucket]:
    """Return at most `limit` buckets, by LLM and time, of all ranked LLMs or of one, archived or not.

    `step` is hour or day; `reach` limits how far back they go.
    """
    arguments = {
        "metric_name": metric_name,
        "step": step,
        "reach": reach,
        "source": source,
        "scenario_id": scenario_id,
        "llm_id": llm_id,
        "limit": limit,
    }
    with conn.cursor() as cursor:
        cursor.execute(HISTORY, arguments)
        return [Bucket(*row) for row in cursor.fetchall()]
