"""Hours, days and windows: the rollups of many runs merged, kept up to date by what is new."""

from datetime import datetime

from webapp.store import Connection, sql_file
from webapp.windows import LATEST, WINDOWS, Window


# How far back each window reaches at %(now)s, and of what it is made when its oldest part has slid out. It
# begins with the whole part that its nominal beginning lies in. `latest` is each LLM's newest run alone.
def _row(window: Window) -> str:
    if window.reach is None:
        return f"('{window.name}', '', '-infinity'::timestamptz)"
    since = f"%(now)s - interval '{window.reach.total_seconds():.0f} seconds'"
    if window.parts != "run":
        since = f"date_trunc('{window.parts}', {since}, 'UTC')"
    return f"('{window.name}', '{window.parts}', {since})"


ROWS = ",\n        ".join(_row(window) for window in WINDOWS if window is not LATEST)
WINDOWS_SQL = f"""SELECT * FROM (VALUES
        {ROWS}
    ) AS windows (period, grain, since)"""  # noqa: S608  (constants)
KEY = ("period", "source", "scenario_id", "llm_id", "metric_id")

RUN_ROLLUPS = sql_file("run_rollups")
MERGE = sql_file("merge_rollups")


def _merge(parts: str) -> str:
    """The statement that merges these parts into their places."""
    return MERGE.format(input=sql_file(parts).format(run_rollups=RUN_ROLLUPS, windows=WINDOWS_SQL))


MERGE_NEW = _merge("new_parts")
MERGE_REMAINING = _merge("remaining_parts")
TAKE_OUT_OLDER = """
DELETE FROM period_rollups AS standing
USING runs
WHERE runs.id = ANY(%(run_ids)s)
  AND standing.period = 'latest'
  AND standing.source = runs.source
  AND standing.scenario_id = runs.scenario_id
  AND standing.llm_id = runs.llm_id
  AND standing.newest <= runs.slot
"""
REACHES_TOO_FAR = """
    period_rollups.period = windows.period
    AND period_rollups.period NOT IN ('hour', 'day')
    AND period_rollups.oldest < windows.since
"""
EXPIRED = f"SELECT FROM period_rollups, ({WINDOWS_SQL}) AS windows WHERE {REACHES_TOO_FAR}"
TAKE_OUT_EXPIRED = f"""
DELETE FROM period_rollups USING ({WINDOWS_SQL}) AS windows WHERE {REACHES_TOO_FAR}
RETURNING period_rollups.period, {", ".join(KEY[1:])}
"""  # noqa: S608  (constants of this file)


def fold(conn: Connection, run_ids: list[int], now: datetime) -> None:
    """Merge new runs into their hours, days and windows, and let what is too old slide out of the windows.

    A window that stands takes in the new runs; one whose oldest part has slid out is put together anew from
    the parts that are left. So it costs what is new, and now and then a window's few parts, whatever the
    history. Only for whoever holds the turn to refresh: two at once would each lose the other's runs.
    """
    arguments = {"run_ids": run_ids, "now": now}
    with conn.cursor() as cursor:
        cursor.execute(TAKE_OUT_OLDER, arguments)
        cursor.execute(MERGE_NEW, arguments)
        cursor.execute(TAKE_OUT_EXPIRED, arguments)
        slid = cursor.fetchall()
        if slid:
            keys = dict(zip(KEY, map(list, zip(*slid, strict=True)), strict=True))
            cursor.execute(MERGE_REMAINING, {**keys, "now": now})


def any_expired(conn: Connection, now: datetime) -> bool:
    """Whether a window holds something that is older than it reaches back."""
    with conn.cursor() as cursor:
        cursor.execute(f"SELECT EXISTS ({EXPIRED})", {"now": now})
        return cursor.fetchone()[0]
