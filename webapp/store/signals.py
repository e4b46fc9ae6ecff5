"""The signals of series of runs, as they are judged; see `webapp.models.incidents.Signal`."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from datetime import datetime

from webapp.store import Connection
from webapp.store.series import Key, Statistic

OF_SERIES = """
SELECT signals.id, incident_id, kind, metric_id, statistic, signals.started_at, ended_at, accepted
FROM signals
JOIN incidents ON incidents.id = incident_id
WHERE source = %(source)s AND scenario_id = %(scenario_id)s AND llm_id = %(llm_id)s
ORDER BY signals.id
"""
BETTER_SINCE = """
SELECT metric_id, statistic, max(slot) FROM changes
WHERE source = %(source)s AND scenario_id = %(scenario_id)s AND llm_id = %(llm_id)s AND NOT worse
GROUP BY metric_id, statistic
"""
# A series without runs is not judged, so its signals would last forever.
ABANDONED = """
SELECT signals.id, incident_id
FROM signals
JOIN incidents ON incidents.id = incident_id
JOIN llms ON llms.id = llm_id
WHERE ended_at IS NULL
  AND source = %(source)s
  AND (archived_at IS NOT NULL OR NOT EXISTS (
    SELECT FROM runs
    WHERE runs.source = incidents.source
      AND runs.scenario_id = signals.scenario_id
      AND runs.llm_id = signals.llm_id
      AND runs.slot > %(before)s
  ))
"""


@dataclass(frozen=True)
class Figures:
    """The levels before and after, in the metric's unit, and the relative change with its interval.

    As far as a signal has them.
    """

    before: float | None = None
    after: float | None = None
    change: float | None = None
    low: float | None = None
    high: float | None = None


NO_FIGURES = Figures()


@dataclass(frozen=True)
class SeriesSignal:
    """A signal of a series; active until it has an `ended_at`."""

    id: int
    incident_id: int
    kind: str
    metric_id: int | None
    statistic: str | None
    started_at: datetime
    ended_at: datetime | None
    accepted: bool


@dataclass(frozen=True)
class NewSignal:
    """A signal that is about to be stored."""

    kind: str
    key: Key
    started_at: datetime
    detected_at: datetime
    metric_id: int | None = None
    statistic: str | None = None
    figures: Figures = NO_FIGURES


def of_series(conn: Connection, key: Key) -> list[SeriesSignal]:
    """Return all signals of the series, oldest first."""
    with conn.cursor() as cursor:
        cursor.execute(OF_SERIES, vars(key))
        return [SeriesSignal(*row) for row in cursor.fetchall()]


def better_since(conn: Connection, key: Key) -> dict[Statistic, datetime]:
    """Return the slot of the newest change for the better, by statistic that had one."""
    with conn.cursor() as cursor:
        cursor.execute(BETTER_SINCE, vars(key))
        return {(metric_id, statistic): slot for metric_id, statistic, slot in cursor.fetchall()}


def is_last_accepted(conn: Connection, incident_id: int) -> bool:
    """Return whether the incident's last signal to end was accepted."""
    with conn.cursor() as cursor:
        cursor.execute(
            "SELECT accepted FROM signals WHERE incident_id = %s AND ended_at IS NOT NULL"
            " ORDER BY ended_at DESC, accepted LIMIT 1",
            (incident_id,),
        )
        row = cursor.fetchone()
        return bool(row and row[0])


def abandoned(conn: Connection, source: str, before: datetime) -> list[tuple[int, int]]:
    """Return ids and incidents of active signals without runs since then, or whose LLM is archived."""
    with conn.cursor() as cursor:
        cursor.execute(ABANDONED, {"source": source, "before": before})
        return cursor.fetchall()


def insert(conn: Connection, incident_id: int, signals: Sequence[NewSignal]) -> None:
    """Add signals to an incident."""
    with conn.cursor() as cursor:
        for signal in signals:
            cursor.execute(
                "INSERT INTO signals (incident_id, kind, scenario_id, llm_id, metric_id, statistic,"
                " started_at, detected_at, before, after, change, low, high)"
                " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
                (
                    *(incident_id, signal.kind, signal.key.scenario_id, signal.key.llm_id),
                    *(signal.metric_id, signal.statistic, signal.started_at, signal.detected_at),
                    *astuple(signal.figures),
                ),
            )


def update(conn: Connection, signal_id: int, figures: Figures) -> None:
    """Bring the figures of an active signal up to date."""
    with conn.cursor() as cursor:
        cursor.execute(
            "UPDATE signals SET before = %s, after = %s, change = %s, low = %s, high = %s WHERE id = %s",
            (*astuple(figures), signal_id),
        )


def end(conn: Connection, signal_id: int, ended_at: datetime, *, accepted: bool = False) -> None:
    """End an active signal with the run of that slot."""
    with conn.cursor() as cursor:
        cursor.execute(
            "UPDATE signals SET ended_at = greatest(%s, detected_at), accepted = %s WHERE id = %s",
            (ended_at, accepted, signal_id),
        )
