"""The bounded past of series of runs, as they are judged."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from psycopg2.extras import DateTimeTZRange, execute_values

from webapp.store import Connection, sql_file

NEWEST_VALUES = sql_file("newest_values")
NEWEST_VERDICTS = sql_file("newest_verdicts")
# Of fewer values, the 95th percentile is the greatest one.
LEAST_VALUES = 20


@dataclass(frozen=True)
class Key:
    """What the runs of a series have in common."""

    source: str
    scenario_id: int
    llm_id: int


@dataclass(frozen=True)
class Verdict:
    """A run that says something of its LLM: it finished, or its endpoint was asked and it failed.

    `errors` is the number of failed requests by class, of `requests`; unknown ratios are None.
    """

    run_id: int
    llm_name: str
    slot: datetime
    failed: bool
    error: str | None
    server: str | None
    requests: int
    errors: dict[str, int]
    error_rate: float | None
    slo_attainment: float | None


@dataclass(frozen=True)
class Past:
    """One statistic of a metric, in its unit, by run: `slots` and `values` (float64), oldest first."""

    slots: list[datetime]
    values: np.ndarray

    @property
    def times(self) -> np.ndarray:
        """The slots in Unix seconds (float64)."""
        return np.array([slot.timestamp() for slot in self.slots])

    def since(self, start: datetime) -> "Past":
        """Return the part from that slot on."""
        first = sum(slot < start for slot in self.slots)
        return Past(self.slots[first:], self.values[first:])


# A metric's id and the name of the statistic.
Statistic = tuple[int, str]


def newest_verdicts(
    conn: Connection, key: Key, excluded: Sequence[DateTimeTZRange], limit: int
) -> list[Verdict]:
    """Return the newest runs that say something of their LLM, newest first; none of the excluded slots."""
    arguments = {**vars(key), "excluded": list(excluded), "limit": limit}
    with conn.cursor() as cursor:
        cursor.execute(NEWEST_VERDICTS, arguments)
        return [Verdict(*row) for row in cursor.fetchall()]


def newest_values(  # noqa: PLR0913, PLR0917  (each bounds what is read)
    conn: Connection,
    key: Key,
    metric_ids: Sequence[int],
    excluded: Sequence[DateTimeTZRange],
    limit: int,
    before: datetime | None = None,
) -> dict[Statistic, Past]:
    """Return the positive means and 95th percentiles of the newest finished runs, in one query.

    At most `limit` runs, of slots before that time, and of none of the excluded ones.
    """
    arguments = {
        **vars(key),
        "metric_ids": list(metric_ids),
        "excluded": list(excluded),
        "limit": limit,
        "before": before,
    }
    found: dict[Statistic, tuple[list[datetime], list[float]]] = {}
    with conn.cursor() as cursor:
        cursor.execute(NEWEST_VALUES, arguments)
        for slot, metric_id, n, mean, p95 in cursor:
            for statistic, value in (("mean", mean), ("p95", p95 if n >= LEAST_VALUES else None)):
                if value and value > 0:
                    slots, values = found.setdefault((metric_id, statistic), ([], []))
                    slots.append(slot)
                    values.append(value)
    return {key: Past(slots, np.array(values)) for key, (slots, values) in found.items()}


def newest_slot(conn: Connection, source: str) -> datetime | None:
    """Return the newest slot with a run that has ended; None without one."""
    with conn.cursor() as cursor:
        cursor.execute(
            "SELECT slot FROM runs WHERE source = %s AND generation IS NOT NULL ORDER BY slot DESC LIMIT 1",
            (source,),
        )
        row = cursor.fetchone()
        return row[0] if row else None


def keep_p_values(conn: Connection, key: Key, slot: datetime, p_values: dict[Statistic, float]) -> None:
    """Store the p-values of no change after the run in that slot."""
    rows = [
        (key.source, key.scenario_id, key.llm_id, metric_id, statistic, slot, p_value)
        for (metric_id, statistic), p_value in p_values.items()
    ]
    with conn.cursor() as cursor:
        execute_values(
            cursor,
            "INSERT INTO watched_series (source, scenario_id, llm_id, metric_id, statistic, slot, p_value)"
            " VALUES %s ON CONFLICT (source, scenario_id, llm_id, metric_id, statistic)"
            " DO UPDATE SET slot = excluded.slot, p_value = excluded.p_value",
            rows,
        )


def p_values(conn: Connection, source: str, since: datetime) -> dict[tuple[Key, Statistic], float]:
    """Return the p-values of the source's watched series that have runs since then."""
    with conn.cursor() as cursor:
        cursor.execute(
            "SELECT source, scenario_id, llm_id, metric_id, statistic, p_value FROM watched_series"
            " WHERE source = %s AND slot >= %s",
            (source, since),
        )
        return {
            (Key(source, scenario_id, llm_id), (metric_id, statistic)): p_value
            for source, scenario_id, llm_id, metric_id, statistic, p_value in cursor.fetchall()
        }
