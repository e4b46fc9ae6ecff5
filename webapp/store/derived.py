"""What is derived from the rollups of runs and from runs, compared with what is stored, and derived again."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from webapp.store import Connection, sql_file
from webapp.store.availability import COUNT
from webapp.store.periods import MERGED, merging, selected
from webapp.store.views import VIEWS, filled_views

DIFFERING_PERIODS = sql_file("differing_periods")
DIFFERING_VIEW = sql_file("differing_views")
TOTALS = sql_file("derived_totals")
# Attempts of the other states may be more than runs, since a run that is retried has several.
DIFFERING_TOTALS = f"""
SELECT
    status, source, NULL, NULL, at_most || ' s',
    CASE WHEN stored.runs IS NOT NULL AND derived.runs IS NOT NULL THEN ARRAY['runs'] END,
    to_jsonb(stored), to_jsonb(derived)
FROM run_totals AS stored
FULL JOIN ({TOTALS}) AS derived USING (source, status, at_most)
WHERE coalesce(stored.runs, 0) < coalesce(derived.runs, 0)
   OR status = 'finished' AND stored.runs IS DISTINCT FROM derived.runs
ORDER BY source, status, at_most
"""  # noqa: S608  (constants)
# Under the lock of the trigger that counts all runs, see migration 0004.
REBUILD_TOTALS = f"""
SELECT pg_advisory_xact_lock(7205005);
DELETE FROM run_totals WHERE status = 'finished';
INSERT INTO run_totals AS totals (source, status, at_most, runs, points, seconds)
{TOTALS}
ON CONFLICT (source, status, at_most) DO UPDATE SET
    runs = excluded.runs, points = excluded.points, seconds = excluded.seconds
WHERE totals.runs < excluded.runs
"""  # noqa: S608  (constants)
COUNTED_RUNS = sql_file("counted_runs").format(
    runs="SELECT * FROM runs WHERE slot >= %(since)s AND slot < %(until)s"
)
KEPT = "NOT (period = 'hour' AND starts_at <= %(expired)s - interval '1 hour')"
IS_OF_DAYS = f"starts_at >= %(since)s AND starts_at < %(until)s AND {KEPT}"
COUNTS = f"SELECT * FROM ({COUNTED_RUNS}) AS counted WHERE {KEPT}"  # noqa: S608  (constants)
DIFFERING_AVAILABILITY = sql_file("differing_availability").format(derived=COUNTS, scope=IS_OF_DAYS)
COUNT_AGAIN = f"DELETE FROM availability WHERE {IS_OF_DAYS}; {COUNT.format(counted=COUNTS)}"  # noqa: S608
DAYS = """
SELECT date_trunc('day', slot, 'UTC') FROM runs
UNION
SELECT date_trunc('day', starts_at, 'UTC') FROM period_rollups WHERE period IN ('hour', 'day')
UNION
SELECT date_trunc('day', starts_at, 'UTC') FROM availability
"""
IS_SAME_PART = """
    stored.period = part.period
    AND stored.starts_at = part.starts_at
    AND stored.source = part.source
    AND stored.scenario_id = part.scenario_id
    AND stored.llm_id = part.llm_id
"""


# The views' queries divide by n, and take square roots of the others.
IS_DAMAGED = "least(stored.n - 1, stored.m2, stored.run_m2, stored.run_weight) < 0"


@dataclass(frozen=True)
class StoredRun:
    """A run, with the number of points that were stored of it; None if that was not recorded."""

    id: int
    slot: datetime
    status: str
    points: int | None
    measured: bool


@dataclass(frozen=True)
class Difference:
    """A stored row that differs from what it is derived from, in the named columns.

    No `columns`: the row is missing (`stored` is None), or there is nothing to derive it from (`derived` is
    None).
    """

    table: str
    where: str
    columns: list[str]
    stored: dict[str, Any] | None
    derived: dict[str, Any] | None


class _Periods:
    """The rows of period_rollups in a `scope`, and the queries of their parts and of those that lack some.

    A stored row whose parts are incomplete stays as it is, since they would give less. Only if no row is
    stored, or one with impossible values, it is derived from what is left.
    """

    def __init__(self, scope: str, parts: str, incomplete: str):
        self.differing = DIFFERING_PERIODS.format(
            derived=MERGED.format(input=parts), scope=scope, incomplete=incomplete, damaged=IS_DAMAGED
        )
        self._delete = (
            f"DELETE FROM period_rollups AS stored WHERE {scope}"  # noqa: S608  (constants)
            f" AND ({IS_DAMAGED} OR NOT EXISTS (SELECT FROM ({incomplete}) AS part WHERE {IS_SAME_PART}))"
        )
        self._merge = merging(
            f"SELECT part.* FROM ({parts}) AS part"  # noqa: S608  (constants)
            f" WHERE NOT EXISTS (SELECT FROM period_rollups AS stored WHERE {IS_SAME_PART})"
        )

    def rebuild(self, conn: Connection, arguments: dict[str, Any]) -> None:
        with conn.cursor() as cursor:
            cursor.execute(self._delete, arguments)
            cursor.execute(self._merge, arguments)


_DAYS = _Periods(
    scope="""
        stored.period IN ('hour', 'day') AND stored.starts_at >= %(since)s AND stored.starts_at < %(until)s
        AND NOT (stored.period = 'hour' AND stored.starts_at <= %(expired)s - interval '1 hour')
    """,
    parts=selected("parts_of_days"),
    incomplete=selected("incomplete_days"),
)
_WINDOWS = _Periods(
    scope="stored.period NOT IN ('hour', 'day')",
    parts=selected("parts_of_windows"),
    incomplete=selected("incomplete_windows"),
)


def begin_snapshot(conn: Connection) -> None:
    """Begin a transaction that only reads, in one snapshot; the caller, who has none open, ends it."""
    with conn.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")


def days(conn: Connection) -> list[datetime]:
    """Return the starts of all UTC days of which anything is stored, ascending."""
    with conn.cursor() as cursor:
        cursor.execute(DAYS)
        return sorted(day for (day,) in cursor.fetchall())


def runs_between(conn: Connection, since: datetime, until: datetime) -> list[StoredRun]:
    """Return the runs of slots in [since, until), by id."""
    with conn.cursor() as cursor:
        cursor.execute(
            "SELECT id, slot, status, points, measurement IS NOT NULL FROM runs"
            " WHERE slot >= %s AND slot < %s ORDER BY id",
            (since, until),
        )
        return [StoredRun(*row) for row in cursor.fetchall()]


def differing_days(conn: Connection, since: datetime, until: datetime, expired: datetime) -> list[Difference]:
    """Return the hours and days from `since` to `until`, both starts of days, that differ from their runs.

    Hours that have expired by `expired` are left out.
    """
    bounds = {"since": since, "until": until, "expired": expired}
    return [
        *_differences(conn, "period_rollups", _DAYS.differing, bounds),
        *_differences(conn, "availability", DIFFERING_AVAILABILITY, bounds),
    ]


def rebuild_days(conn: Connection, since: datetime, until: datetime, expired: datetime) -> None:
    """Derive these hours and days again from their runs and rollups, after `views.begin_change`."""
    bounds = {"since": since, "until": until, "expired": expired}
    _DAYS.rebuild(conn, bounds)
    with conn.cursor() as cursor:
        cursor.execute(COUNT_AGAIN, bounds)


def differing_windows(conn: Connection, now: datetime) -> list[Difference]:
    """Return the windows that differ from their hours, days or runs."""
    return _differences(conn, "period_rollups", _WINDOWS.differing, {"now": now})


def rebuild_windows(conn: Connection, now: datetime) -> None:
    """Derive all windows again from their hours, days or runs, after `views.begin_change`."""
    _WINDOWS.rebuild(conn, {"now": now})


def differing_views(conn: Connection) -> list[Difference]:
    """Return the rows of the materialized views that differ from what their queries give."""
    found, filled = [], filled_views(conn)
    for view in VIEWS:
        with conn.cursor() as cursor:
            cursor.execute("SELECT rtrim(pg_get_viewdef(%s::regclass), ';')", (view,))
            (definition,) = cursor.fetchone()
        stored = view if view in filled else f"({definition} LIMIT 0)"
        found += _differences(
            conn, view, DIFFERING_VIEW.format(stored=stored, definition=definition, damaged=IS_DAMAGED)
        )
    return found


def differing_totals(conn: Connection) -> list[Difference]:
    """Return the totals of ended runs that are less than the runs, or in number not that of finished runs."""
    return _differences(conn, "run_totals", DIFFERING_TOTALS)


def rebuild_totals(conn: Connection) -> None:
    """Derive the totals of ended runs again; those that count more attempts than there are runs stay."""
    with conn.cursor() as cursor:
        cursor.execute(REBUILD_TOTALS)


def _differences(
    conn: Connection, table: str, query: str, arguments: dict[str, Any] | None = None
) -> list[Difference]:
    with conn.cursor() as cursor:
        cursor.execute(query, arguments)
        return [
            Difference(table, " ".join(filter(None, where)), columns or [], stored, derived)
            for *where, columns, stored, derived in cursor.fetchall()
        ]
