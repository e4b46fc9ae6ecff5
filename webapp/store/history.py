"""A metric by run, hour or day, from the rollups of runs and the merged ones."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from webapp.store import Connection, sql_file
from webapp.windows import HOUR, RUN

HISTORY = sql_file("history")
RUN_HISTORY = sql_file("run_history")
COUNT_SLOTS = """
SELECT count(*)
FROM (
    SELECT
    FROM runs
    WHERE slot >= now() - %(reach)s::interval
      AND source = %(source)s
      AND scenario_id = %(scenario_id)s
    GROUP BY slot
    LIMIT %(limit)s
) AS slots
"""


@dataclass(frozen=True)
class Bucket:
    """One LLM's values of one run, hour or day, in the metric's unit; a run starts at its slot."""

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

    `step` is run, hour or day; `reach`, which a run needs, limits how far back they go.
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
        cursor.execute(RUN_HISTORY if step == RUN else HISTORY, arguments)
        return [Bucket(*row) for row in cursor.fetchall()]


def finest_step(  # noqa: PLR0913  (each is a filter)
    conn: Connection, *, step: str, reach: timedelta | None, source: str, scenario_id: int, most_runs: int
) -> str:
    """Return the step, but hour instead of run if there were runs in more than `most_runs` slots."""
    if step != RUN:
        return step
    arguments = {"reach": reach, "source": source, "scenario_id": scenario_id, "limit": most_runs + 1}
    with conn.cursor() as cursor:
        cursor.execute(COUNT_SLOTS, arguments)
        (slots,) = cursor.fetchone()
    return RUN if slots <= most_runs else HOUR
