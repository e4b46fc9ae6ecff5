"""The bounded past of series of runs, as they are judged: of many series in one query."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
from psycopg2.extras import execute_values

from llm_measure.detection import Rhythm
from llm_measure.metrics import METRICS
from webapp.store import Connection, sql_file

NEWEST_VALUES = sql_file("newest_values")
NEWEST_VERDICTS = sql_file("newest_verdicts")
NEWEST_SLOTS = """
SELECT source, slot
FROM unnest(%s::text[]) AS source
CROSS JOIN LATERAL (
    SELECT slot FROM runs WHERE runs.source = source.source AND generation IS NOT NULL
    ORDER BY slot DESC LIMIT 1
) AS newest
"""
# Of fewer values, the 95th percentile is the greatest one.
LEAST_VALUES = 20

# The beginning, and the end, which is not part of it.
Span = tuple[datetime, datetime]
# A metric's id and the name of the statistic.
Statistic = tuple[int, str]


@dataclass(frozen=True)
class Key:
    """What the runs of a series have in common."""

    source: str
    scenario_id: int
    llm_id: int


@dataclass(frozen=True)
class Verdict:
    """A run that says something of its LLM: it finished, or its endpoint was asked and it failed.

    `errors` is the number of failed requests by class, of `requests`; an unknown ratio or capacity is None.
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
    capacity: float | None


@dataclass(frozen=True)
class Past:
    """One statistic of a metric, in its unit, by run, oldest first.

    `times` are the slots in Unix seconds; both arrays are float64. `inflation` is that of the rhythm
    which the values are without, see `llm_measure.detection.Rhythm`.
    """

    times: np.ndarray
    values: np.ndarray
    inflation: float = 1.0

    @property
    def newest(self) -> datetime:
        """The slot of the last value."""
        return self.slot(-1)

    def slot(self, index: int) -> datetime:
        """Return the slot of a value."""
        return datetime.fromtimestamp(self.times[index], UTC)

    def __len__(self) -> int:
        return len(self.times)

    def since(self, start: datetime) -> "Past":
        """Return the part from that slot on."""
        return self._part(self.times >= start.timestamp())

    def before(self, end: datetime) -> "Past":
        """Return the part before that slot."""
        return self._part(self.times < end.timestamp())

    def last(self, number: int) -> "Past":
        """Return the newest values, at most that many."""
        return replace(self, times=self.times[-number:], values=self.values[-number:])

    def without(self, spans: Iterable[Span]) -> "Past":
        """Return the part outside the spans."""
        is_part = np.ones(len(self.times), dtype=bool)
        for start, end in spans:
            is_part &= (self.times < start.timestamp()) | (self.times >= end.timestamp())
        return self._part(is_part)

    def without_rhythm(self) -> "Past":
        """Return the same runs without what is usual at their hour of the day."""
        rhythm = Rhythm.of(self.times, self.values)
        return Past(self.times, rhythm.without(self.times, self.values), rhythm.inflation)

    def _part(self, is_part: np.ndarray) -> "Past":
        return replace(self, times=self.times[is_part], values=self.values[is_part])


EMPTY = Past(np.array([]), np.array([]))


def newest_slots(conn: Connection, sources: Iterable[str]) -> dict[str, datetime]:
    """Return the newest slot with a run that has ended, by source."""
    with conn.cursor() as cursor:
        cursor.execute(NEWEST_SLOTS, (list(sources),))
        return dict(cursor.fetchall())


def newest_verdicts(
    conn: Connection, excluded: Mapping[Key, Sequence[Span]], limit: int
) -> dict[Key, list[Verdict]]:
    """Return the newest runs that say something of their LLM, newest first, by series.

    Those of the excluded spans of each series are left out, and so are series without any.
    """
    arguments = {**_series(excluded), "limit": limit}
    arguments |= {name: METRICS[name].id for name in ("error_rate", "slo_attainment", "capacity")}
    keys = list(excluded)
    found: dict[Key, list[Verdict]] = {}
    with conn.cursor() as cursor:
        cursor.execute(NEWEST_VERDICTS, arguments)
        for number, *values in cursor.fetchall():
            found.setdefault(keys[number - 1], []).append(Verdict(*values))
    return found


def newest_values(
    conn: Connection,
    excluded: Mapping[Key, Sequence[Span]],
    metric_ids: Iterable[int],
    limit: int,
    before: datetime | None = None,
) -> dict[Key, dict[Statistic, Past]]:
    """Return the positive means and 95th percentiles of the newest finished runs, by series.

    At most `limit` runs of each series, of slots before that time, without those of the excluded spans.
    """
    arguments = {**_series(excluded), "metric_ids": list(metric_ids), "limit": limit, "before": before}
    keys = list(excluded)
    found: dict[Key, dict[Statistic, Past]] = {key: {} for key in keys}
    with conn.cursor() as cursor:
        cursor.execute(NEWEST_VALUES, arguments)
        for number, metric_id, times, n, means, p95s in cursor.fetchall():
            enough = np.array(n) >= LEAST_VALUES
            for statistic, values in (
                ("mean", np.array(means)),
                ("p95", np.where(enough, np.array(p95s, dtype=float), 0)),
            ):
                is_value = values > 0  # NULL is none
                if is_value.any():
                    past = Past(np.array(times)[is_value], values[is_value])
                    found[keys[number - 1]][metric_id, statistic] = past
    return found


def keep_p_values(conn: Connection, p_values: Mapping[tuple[Key, Statistic], tuple[datetime, float]]) -> None:
    """Store the p-values of no change by series, each with the slot of the run that it is about."""
    with conn.cursor() as cursor:
        execute_values(
            cursor,
            "INSERT INTO watched_series (source, scenario_id, llm_id, metric_id, statistic, slot, p_value)"
            " VALUES %s ON CONFLICT (source, scenario_id, llm_id, metric_id, statistic)"
            " DO UPDATE SET slot = excluded.slot, p_value = excluded.p_value",
            [
                (key.source, key.scenario_id, key.llm_id, *statistic, *values)
                for (key, statistic), values in p_values.items()
            ],
            page_size=1000,
        )


def p_values(conn: Connection, source: str, since: datetime) -> dict[tuple[Key, Statistic], float]:
    """Return the p-values of the source's series that have runs since then."""
    with conn.cursor() as cursor:
        cursor.execute(
            "SELECT scenario_id, llm_id, metric_id, statistic, p_value FROM watched_series"
            " WHERE source = %s AND slot >= %s",
            (source, since),
        )
        return {
            (Key(source, scenario_id, llm_id), (metric_id, statistic)): p_value
            for scenario_id, llm_id, metric_id, statistic, p_value in cursor.fetchall()
        }


def _series(excluded: Mapping[Key, Sequence[Span]]) -> dict[str, Any]:
    """Return the series, and their excluded spans as multiranges, in an array for each column."""
    return {
        "source": [key.source for key in excluded],
        "scenario_id": [key.scenario_id for key in excluded],
        "llm_id": [key.llm_id for key in excluded],
        "excluded": [
            "{" + ",".join(f"[{since.isoformat()},{until.isoformat()})" for since, until in spans) + "}"
            for spans in excluded.values()
        ],
    }
