"""Runs that have ended and are not shown: for long only if the refresh of the views fails."""

from datetime import datetime, timedelta

from webapp.store import Connection

# A refresh follows within seconds, and one that waits for its turn within half a minute.
PATIENCE = timedelta(minutes=2)
# Of the first ones, by the order of a partial index that holds only these.
OLDEST = """
SELECT min(finished_at)
FROM (
    SELECT finished_at FROM runs WHERE status <> 'running' AND generation IS NULL ORDER BY id LIMIT 1000
) AS unshown
"""


def unshown_since(conn: Connection) -> datetime | None:
    """Return when the first run ended that no generation shows; None if all are shown."""
    with conn.cursor() as cursor:
        cursor.execute(OLDEST)
        return cursor.fetchone()[0]


def failing_since(conn: Connection) -> datetime | None:
    """Return since when the refresh has been failing; None if it has not."""
    with conn.cursor() as cursor:
        cursor.execute(f"{OLDEST} HAVING min(finished_at) < clock_timestamp() - %s", (PATIENCE,))
        row = cursor.fetchone()
        return row[0] if row else None
