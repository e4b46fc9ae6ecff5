"""Availability: how the runs of hours and days ended."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from webapp.store import Connection, sql_file

COUNTED_RUNS = sql_file("counted_runs")
COUNT = """
INSERT INTO availability AS stored
    (period, source, scenario_id, llm_id, starts_at, finished, failed, invalid, missed)
SELECT period, source, scenario_id, llm_id, starts_at, finished, failed, invalid, missed
FROM ({counted}) AS counted
WHERE finished + failed + invalid + missed > 0
ON CONFLICT (period, source, scenario_id, llm_id, starts_at) DO UPDATE SET
    finished = excluded.finished,
    failed = excluded.failed,
    invalid = excluded.invalid,
    missed = excluded.missed
WHERE (stored.finished, stored.failed, stored.invalid, stored.missed)
    IS DISTINCT FROM (excluded.finished, excluded.failed, excluded.invalid, excluded.missed)
"""
SAME_DAYS = """
SELECT runs.*
FROM (
    SELECT DISTINCT source, scenario_id, llm_id, date_trunc('day', slot, 'UTC') AS day
    FROM runs WHERE id = ANY(%s)
) AS part
JOIN runs USING (source, scenario_id, llm_id)
WHERE runs.slot >= day AND runs.slot < day + interval '24 hours'
"""
COUNT_DAYS_OF_RUNS = COUNT.format(counted=COUNTED_RUNS.format(runs=SAME_DAYS))
AVAILABILITY = """
SELECT
    llms.name, starts_at, sum(finished)::integer, sum(failed)::integer, sum(invalid)::integer,
    sum(missed)::integer
FROM availability
JOIN llms ON llms.id = llm_id
WHERE period = %(period)s
  AND starts_at > %(now)s - %(reach)s::interval
  AND source = %(source)s
  AND (%(scenario_ids)s IS NULL OR scenario_id = ANY(%(scenario_ids)s))
  AND CASE WHEN %(llm_id)s IS NULL THEN llms.archived_at IS NULL ELSE llms.id = %(llm_id)s END
GROUP BY llms.name, starts_at
ORDER BY llms.name, starts_at
"""


@dataclass(frozen=True)
class Availability:
    """The number of an LLM's runs of an hour or a day (UTC) by how they ended."""

    llm_name: str
    starts_at: datetime
    finished: int
    failed: int
    invalid: int
    missed: int

    @property
    def ratio(self) -> float | None:
        """The share of runs that succeeded; None without any: invalid and missed runs say nothing."""
        judged = self.finished + self.failed
        return self.finished / judged if judged else None


def read(  # noqa: PLR0913  (each is a filter)
    conn: Connection,
    *,
    period: str,
    reach: timedelta,
    now: datetime,
    source: str,
    scenario_ids: list[int] | None = None,
    llm_id: int | None = None,
) -> list[Availability]:
    """Return the availability by LLM and time, of all ranked LLMs or of one; `period` is hour or day."""
    filters = {
        "period": period,
        "reach": reach,
        "now": now,
        "source": source,
        "scenario_ids": scenario_ids,
        "llm_id": llm_id,
    }
    with conn.cursor() as cursor:
        cursor.execute(AVAILABILITY, filters)
        return [Availability(*row) for row in cursor.fetchall()]


def count(conn: Connection, run_ids: list[int]) -> None:
    """Count all runs of the days of these runs, which have ended, and of the hours of these days.

    The cost is that of a day's runs. Part of a transaction that raises the generation.
    """
    with conn.cursor() as cursor:
        cursor.execute(COUNT_DAYS_OF_RUNS, (run_ids,))
