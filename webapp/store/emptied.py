"""Whether what is derived of runs is there at all, at a cost that does not grow with history."""

from datetime import datetime

from webapp.store import Connection
from webapp.store.retention import NEVER
from webapp.store.views import VIEWS, filled_views

# What has rows as soon as a run with points is shown, forever, or until the run has expired.
LASTING = ("period_rollups_days", "period_rollups_windows", *VIEWS)
EXPIRING = ("rollups", "period_rollups_hours")
IS_EMPTIED = """
SELECT NOT EXISTS (SELECT FROM {name}) AND EXISTS (
    SELECT FROM runs
    WHERE status = 'finished' AND generation IS NOT NULL AND points > 0 AND slot >= %s
)
"""


def emptied(conn: Connection, expired: datetime) -> list[str]:
    """Return the tables and views that are empty, or cannot be read, although runs with points are shown.

    An incomplete restore leaves them so. Rollups of runs and hours from before `expired` are not missed.
    """
    unfilled = set(VIEWS) - filled_views(conn)
    checked = {**dict.fromkeys(EXPIRING, expired), **dict.fromkeys(LASTING, NEVER)}
    return [name for name, since in checked.items() if name in unfilled or _is_emptied(conn, name, since)]


def _is_emptied(conn: Connection, name: str, since: datetime) -> bool:
    with conn.cursor() as cursor:
        cursor.execute(IS_EMPTIED.format(name=name), (since,))
        return cursor.fetchone()[0]
