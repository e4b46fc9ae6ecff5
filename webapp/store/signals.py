"""The signals of series of runs, as they are judged; see `webapp.models.incidents.Signal`."""

from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass
from datetime import datetime, timedelta

from psycopg2.extras import execute_values

from webapp.store import Connection
from webapp.store.series import Key, Statistic

OF_SERIES = """
SELECT
    source, scenario_id, llm_id, signals.id, incident_id, kind, metric_id, statistic, signals.started_at,
    ended_at, accepted
FROM signals
JOIN incidents ON incidents.id = incident_id
WHERE (source, scenario_id, llm_id) IN (SELECT * FROM unnest(%s::text[], %s::integer[], %s::integer[]))
ORDER BY signals.id
"""
BETTER_SINCE = """
SELECT source, scenario_id, llm_id, metric_id, statistic, max(slot) FROM changes
WHERE (source, scenario_id, llm_id) IN (SELECT * FROM unnest(%s::text[], %s::integer[], %s::integer[]))
  AND NOT worse
GROUP BY source, scenario_id, llm_id, metric_id, statistic
"""
# Events, since a closed incident may have been reopened.
CLOSED_SINCE = """
SELECT source, subject, max(at)
FROM incidents
JOIN incident_events ON incident_id = incidents.id
WHERE kind = 'closed' AND (source, subject) IN (SELECT * FROM unnest(%s::text[], %s::text[]))
GROUP BY source, subject
"""
# A series without runs is not judged, so its signals would last forever. The newest run of a source is looked
# up among the series that are watched, since runs have no index by source and slot.
END_ABANDONED = """
UPDATE signals SET ended_at = greatest(newest.slot, detected_at), accepted = true
FROM incidents, llms, LATERAL (
    SELECT max(slot) AS slot FROM watched_series WHERE source = incidents.source
) AS newest
WHERE ended_at IS NULL
  AND incidents.id = incident_id
  AND llms.id = llm_id
  AND (archived_at IS NOT NULL OR newest.slot IS NOT NULL AND NOT EXISTS (
    SELECT FROM runs
    WHERE runs.source = incidents.source
      AND runs.scenario_id = signals.scenario_id
      AND runs.llm_id = signals.llm_id
      AND runs.slot > newest.slot - %s
  ))
RETURNING incident_id
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


def of_series(conn: Connection, keys: Iterable[Key]) -> dict[Key, list[SeriesSignal]]:
    """Return all signals of each series, oldest first."""
    found: dict[Key, list[SeriesSignal]] = {key: [] for key in keys}
    with conn.cursor() as cursor:
        cursor.execute(OF_SERIES, _columns(found))
        for source, scenario_id, llm_id, *values in cursor.fetchall():
            found[Key(source, scenario_id, llm_id)].append(SeriesSignal(*values))
    return found


def better_since(conn: Connection, keys: Iterable[Key]) -> dict[tuple[Key, Statistic], datetime]:
    """Return the slot of the newest change for the better, by series and statistic that had one."""
    with conn.cursor() as cursor:
        cursor.execute(BETTER_SINCE, _columns(keys))
        return {
            (Key(source, scenario_id, llm_id), (metric_id, statistic)): slot
            for source, scenario_id, llm_id, metric_id, statistic, slot in cursor.fetchall()
        }


def closed_since(conn: Connection, subjects: Iterable[tuple[str, str]]) -> dict[tuple[str, str], datetime]:
    """Return when an incident was last closed, by source and subject of which one was."""
    columns = [list(column) for column in zip(*subjects, strict=True)]
    with conn.cursor() as cursor:
        cursor.execute(CLOSED_SINCE, columns)
        return {(source, subject): start for source, subject, start in cursor.fetchall()}


def insert(conn: Connection, incident_id: int, signals: Iterable[NewSignal]) -> None:
    """Add signals to an incident."""
    with conn.cursor() as cursor:
        execute_values(
            cursor,
            "INSERT INTO signals (incident_id, kind, scenario_id, llm_id, metric_id, statistic, started_at,"
            " detected_at, before, after, change, low, high) VALUES %s",
            [
                (
                    *(incident_id, signal.kind, signal.key.scenario_id, signal.key.llm_id),
                    *(signal.metric_id, signal.statistic, signal.started_at, signal.detected_at),
                    *astuple(signal.figures),
                )
                for signal in signals
            ],
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


def end_abandoned(conn: Connection, silence: timedelta) -> set[int]:
    """Accept the active signals of archived LLMs, and of series without runs; return their incidents.

    A series has no runs if its newest is older than its source's newest values by at least this `silence`.
    """
    with conn.cursor() as cursor:
        cursor.execute(END_ABANDONED, (silence,))
        return {incident_id for (incident_id,) in cursor.fetchall()}


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


def _columns(keys: Iterable[Key]) -> Sequence[list]:
    """Return the series as an array for each column."""
    rows = [astuple(key) for key in keys]
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[], [], []]
