"""Availability: how the runs of hours and days ended."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from webapp.store import Connection

AVAILABILITY = """
SELECT
    llms.name, starts_at, sum(finished)::integer, sum(failed)::integer, sum(invalid)::integer,
    sum(missed)::integer
FROM availability
JOIN llms ON llms.id = llm_id
WHERE period = %(period)s
  AND starts_at > %(now)s - %(reach)s::interval
  AND source = %(source)s
  AND (%(scenario_id)s IS NULL OR scenario_id = %(scenario_id)s)
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
    scenario_id: int | None = None,
    llm_id: int | None = None,
) -> list[Availability]:
    """Return the availability by LLM and time, of all ranked LLMs or of one; `period` is hour or day."""
    filters = {
        "period": period,
        "reach": reach,
        "now": now,
        "source": source,
        "scenario_id": scenario_id,
        "llm_id": llm_id,
    }
    with conn.cursor() as cursor:
        cursor.execute(AVAILABILITY, filters)
        return [Availability(*row) for row in cursor.fetchall()]
