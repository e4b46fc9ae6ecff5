"""Hours, days and windows: the merged rollups of many runs, updated from new runs alone."""

from datetime import datetime
from typing import Any

from webapp.store import Connection, sql_file
from webapp.windows import LATEST, WINDOWS, Window


def _row(window: Window) -> str:
    """Return (name, parts, start at %(now)s) of a window as a row of VALUES."""
    if window.reach is None:
        return f"('{window.name}', 'day', '-infinity'::timestamptz)"
    since = f"%(now)s - interval '{window.reach.total_seconds():.0f} seconds'"
    if window.parts != "run":
        since = f"date_trunc('{window.parts}', {since}, 'UTC')"
    return f"('{window.name}', '{window.parts}', {since})"


# Without `latest`, which holds the newest run of each LLM however old that is.
ROWS = ",\n        ".join(_row(window) for window in WINDOWS if window is not LATEST)
WINDOWS_SQL = f"""SELECT * FROM (VALUES
        {ROWS}
    ) AS windows (period, parts, since)"""  # noqa: S608  (constants)
KEY = ("period", "source", "scenario_id", "llm_id", "metric_id")

RUN_ROLLUPS = sql_file("run_rollups")
MERGED = sql_file("merged_rollups")
MERGE = sql_file("merge_rollups")


def selected(name: str) -> str:
    """Return the query of a file about runs and windows."""
    return sql_file(name).format(run_rollups=RUN_ROLLUPS, windows=WINDOWS_SQL)


def merging(parts: str) -> str:
    """Return the statement that merges what the query `parts` selects into period_rollups."""
    return MERGE.format(merged=MERGED.format(input=parts))


MERGE_NEW = merging(selected("new_parts"))
MERGE_REMAINING = merging(selected("remaining_parts"))
MERGE_AGAIN = merging(selected("parts_again"))
PARTS_OF_RUNS = sql_file("parts_of_runs")
PARTS = ("period", "starts_at", "since", "until", "source", "scenario_id", "llm_id")
DELETE_PARTS = """
DELETE FROM period_rollups USING unnest(
    %(period)s::text[], %(starts_at)s::timestamptz[], %(source)s::text[], %(scenario_id)s::integer[],
    %(llm_id)s::integer[]
) AS part (period, starts_at, source, scenario_id, llm_id)
WHERE period_rollups.period = part.period
  AND period_rollups.starts_at = part.starts_at
  AND period_rollups.source = part.source
  AND period_rollups.scenario_id = part.scenario_id
  AND period_rollups.llm_id = part.llm_id
"""
# Every metric, since a run may have values of one that it did not have before.
WINDOWS_OF_PARTS = f"""
SELECT DISTINCT windows.period, source, scenario_id, llm_id, metrics.id
FROM unnest(%(source)s::text[], %(scenario_id)s::integer[], %(llm_id)s::integer[])
    AS part (source, scenario_id, llm_id)
CROSS JOIN ({WINDOWS_SQL}) AS windows
CROSS JOIN metrics
"""  # noqa: S608  (constants of this file)
DELETE_WINDOWS = """
DELETE FROM period_rollups USING unnest(
    %(period)s::text[], %(source)s::text[], %(scenario_id)s::integer[], %(llm_id)s::integer[],
    %(metric_id)s::integer[]
) AS expired (period, source, scenario_id, llm_id, metric_id)
WHERE period_rollups.period = expired.period
  AND period_rollups.source = expired.source
  AND period_rollups.scenario_id = expired.scenario_id
  AND period_rollups.llm_id = expired.llm_id
  AND period_rollups.metric_id = expired.metric_id
"""
DELETE_OLDER_LATEST = """
DELETE FROM period_rollups AS latest
USING runs
WHERE runs.id = ANY(%(run_ids)s)
  AND latest.period = 'latest'
  AND latest.source = runs.source
  AND latest.scenario_id = runs.scenario_id
  AND latest.llm_id = runs.llm_id
  AND latest.newest <= runs.slot
"""
IS_EXPIRED = """
    period_rollups.period = windows.period
    AND period_rollups.period NOT IN ('hour', 'day')
    AND period_rollups.oldest < windows.since
"""
EXPIRED = f"SELECT FROM period_rollups, ({WINDOWS_SQL}) AS windows WHERE {IS_EXPIRED}"
DELETE_EXPIRED = f"""
DELETE FROM period_rollups USING ({WINDOWS_SQL}) AS windows WHERE {IS_EXPIRED}
RETURNING period_rollups.period, {", ".join(KEY[1:])}
"""  # noqa: S608  (constants of this file)


def fold(conn: Connection, run_ids: list[int], now: datetime) -> None:
    """Merge new runs into their hours, days and windows, and remove expired parts from the windows.

    New runs are added to a window's row; once its oldest part has expired, the row is rebuilt from the
    remaining parts. So the cost is that of the new runs, and now and then of a window's few parts, however
    long the history. Called after `views.begin_change`: two concurrent calls would lose each other's runs.
    """
    arguments = {"run_ids": run_ids, "now": now}
    with conn.cursor() as cursor:
        cursor.execute(DELETE_OLDER_LATEST, arguments)
        cursor.execute(MERGE_NEW, arguments)
        cursor.execute(DELETE_EXPIRED, arguments)
        expired = cursor.fetchall()
        if expired:
            cursor.execute(MERGE_REMAINING, {**_columns(KEY, expired), "now": now})


def rebuild(conn: Connection, run_ids: list[int], now: datetime) -> None:
    """Merge the hours and days of these runs again from the rollups of all their runs, then the windows.

    Hours and days stay as they are if the rollup of one of their runs has been deleted. Called after
    `views.begin_change`.
    """
    with conn.cursor() as cursor:
        cursor.execute(PARTS_OF_RUNS, {"run_ids": run_ids})
        parts = cursor.fetchall()
        if not parts:
            return
        again = _columns(PARTS, parts)
        cursor.execute(DELETE_PARTS, again)
        cursor.execute(MERGE_AGAIN, again)
        cursor.execute(WINDOWS_OF_PARTS, {**again, "now": now})
        windows = _columns(KEY, cursor.fetchall())
        cursor.execute(DELETE_WINDOWS, windows)
        cursor.execute(MERGE_REMAINING, {**windows, "now": now})


def any_expired(conn: Connection, now: datetime) -> bool:
    """Return whether a window holds a part from before its start."""
    with conn.cursor() as cursor:
        cursor.execute(f"SELECT EXISTS ({EXPIRED})", {"now": now})
        return cursor.fetchone()[0]


def _columns(names: tuple[str, ...], rows: list[tuple]) -> dict[str, list[Any]]:
    """Return the rows, at least one, as an array for each column."""
    return dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
