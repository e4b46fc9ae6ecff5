"""Hours, days and windows: the rollups of many runs merged, kept up to date by what is new."""

from datetime import datetime

from webapp.store import Connection, sql_file

# How far back each window reaches at %(now)s, and of what it is made when its oldest part has slid out. It
# begins with the whole part that its nominal beginning lies in. `latest` is each LLM's newest run alone.
WINDOWS_SQL = """SELECT * FROM (VALUES
        ('1h', 'run', %(now)s - interval '1 hour'),
        ('24h', 'hour', date_trunc('hour', %(now)s - interval '24 hours', 'UTC')),
        ('7d', 'day', date_trunc('day', %(now)s - interval '7 days', 'UTC')),
        ('30d', 'day', date_trunc('day', %(now)s - interval '30 days', 'UTC')),
        ('all', '', '-infinity'::timestamptz)
    ) AS windows (period, grain, since)"""
WINDOWS = ("latest", "1h", "24h", "7d", "30d", "all")

COLUMNS = (
    *(
        "source",
        "workload_id",
        "llm_id",
        "metric_id",
        "oldest",
        "newest",
        "runs",
        "n",
        "mean",
        "m2",
        "min",
        "max",
    ),
    *("run_weight", "run_mean", "run_m2", "buckets", "counts"),
)

RUN_ROLLUPS = sql_file("run_rollups")
MERGE = sql_file("merge_rollups")
HOURS_AND_DAYS = MERGE.replace(
    "{input}",
    sql_file("hours_and_days")
    .replace("{run_rollups}", RUN_ROLLUPS)
    .replace("{columns}", ", ".join(("period", "starts_at", *COLUMNS))),
)
MERGE_WINDOWS = MERGE.replace(
    "{input}",
    sql_file("windows")
    .replace("{run_rollups}", RUN_ROLLUPS)
    .replace("{windows}", WINDOWS_SQL)
    .replace("{columns}", ", ".join(("period", "starts_at", *COLUMNS)))
    .replace("{part_columns}", ", ".join(f"part.{column}" for column in COLUMNS)),
)
# The rows of windows that reach back too far.
EXPIRED = f"""
SELECT period_rollups.ctid
FROM period_rollups
JOIN ({WINDOWS_SQL}) AS windows USING (period)
WHERE period_rollups.period NOT IN ('hour', 'day')
  AND period_rollups.oldest < windows.since
"""  # noqa: S608  (constants of this file)


def fold(conn: Connection, run_ids: list[int], now: datetime) -> None:
    """Merge new runs into their hours, days and windows, and let what is too old slide out of the windows.

    Only for whoever holds the turn to refresh: two at once would each lose the other's runs.
    """
    arguments = {"run_ids": run_ids, "now": now}
    with conn.cursor() as cursor:
        cursor.execute(HOURS_AND_DAYS, arguments)
        cursor.execute(MERGE_WINDOWS, arguments)
        # What is left of a window that slid past all its parts.
        cursor.execute(f"DELETE FROM period_rollups WHERE ctid IN ({EXPIRED})", arguments)  # noqa: S608


def any_expired(conn: Connection, now: datetime) -> bool:
    """Whether a window holds something that is older than it reaches back."""
    with conn.cursor() as cursor:
        cursor.execute(f"SELECT EXISTS ({EXPIRED})", {"now": now})
        return cursor.fetchone()[0]
