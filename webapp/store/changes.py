"""Changes of level of series of runs."""

from dataclasses import astuple, dataclass
from datetime import datetime

from webapp.store import Connection
from webapp.store.signals import NewSignal

CHANGES = """
SELECT
    source, scenarios.name, llms.name, metrics.name, statistic, slot, detected_slot, before, after, change,
    low, high, worse
FROM changes
JOIN llms ON llms.id = llm_id
JOIN scenarios ON scenarios.id = scenario_id
JOIN metrics ON metrics.id = metric_id
WHERE detected_slot >= %(since)s
  AND (%(until)s IS NULL OR detected_slot < %(until)s)
  AND (%(source)s IS NULL OR source = %(source)s)
  AND (%(scenario_ids)s IS NULL OR scenario_id = ANY(%(scenario_ids)s))
  AND (%(llm_id)s IS NULL OR llm_id = %(llm_id)s)
ORDER BY detected_slot, changes.id
LIMIT %(limit)s
"""
INSERT = """
INSERT INTO changes
    (source, scenario_id, llm_id, metric_id, statistic, slot, detected_slot, before, after, change, low, high,
    worse)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT DO NOTHING
"""


@dataclass(frozen=True)
class Change:
    """A change of level, see `webapp.models.incidents.Change`."""

    source: str
    scenario: str
    llm_name: str
    metric_name: str
    statistic: str
    slot: datetime
    detected_slot: datetime
    before: float
    after: float
    change: float
    low: float
    high: float
    worse: bool


def read(  # noqa: PLR0913  (each is a filter)
    conn: Connection,
    *,
    since: datetime,
    until: datetime | None = None,
    source: str | None = None,
    scenario_ids: list[int] | None = None,
    llm_id: int | None = None,
    limit: int | None = None,
) -> list[Change]:
    """Return the changes that were detected from `since` on and before `until`, oldest first."""
    filters = {
        "since": since,
        "until": until,
        "source": source,
        "scenario_ids": scenario_ids,
        "llm_id": llm_id,
        "limit": limit,
    }
    with conn.cursor() as cursor:
        cursor.execute(CHANGES, filters)
        return [Change(*row) for row in cursor.fetchall()]


def insert(conn: Connection, found: NewSignal, worse: bool) -> None:
    """Note a change of level unless it is noted already."""
    key = found.key
    with conn.cursor() as cursor:
        cursor.execute(
            INSERT,
            (
                *(key.source, key.scenario_id, key.llm_id, found.metric_id, found.statistic),
                *(found.started_at, found.detected_at, *astuple(found.figures), worse),
            ),
        )
