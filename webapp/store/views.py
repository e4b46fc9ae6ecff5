"""The materialized views and their generation, a number that every refresh raises."""

from dataclasses import dataclass
from datetime import datetime

from webapp.store import Connection, periods
from webapp.store.transactions import limit_lock_waits, notice_dead_client

VIEWS = ("metric_means", "metric_quantiles")
RAISE = (
    "UPDATE generation SET changing = false,"
    " value = greatest(value + 1, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint)"
)
# For which readers wait at most, where a view cannot be refreshed concurrently.
LOCK_SECONDS = 2


@dataclass(frozen=True)
class EndedRun:
    """A run whose end a generation shows for the first time."""

    id: int
    source: str
    scenario_id: int
    llm_id: int
    slot: datetime
    status: str


def are_outdated(conn: Connection, now: datetime) -> bool:
    """Return whether a run has ended that is not shown yet, or a window holds an expired part.

    Or whether a change is announced, which may have died: a refresh ends its announcement.
    """
    with conn.cursor() as cursor:
        cursor.execute(
            "SELECT changing OR EXISTS (SELECT FROM runs WHERE status <> 'running' AND generation IS NULL)"
            " FROM generation"
        )
        return cursor.fetchone()[0] or periods.any_expired(conn, now)


def refresh(conn: Connection, now: datetime, generation: int) -> list[EndedRun]:
    """Refresh the views for the generation that this transaction has raised; its commit shows them.

    Returns the runs whose end it shows.

    The views are computed from the windows' merged rollups, to which only new runs are added. Failed and
    invalid runs have no values: if there are no others, the views stay as they are.

    Runs are marked with the generation before the views are refreshed. One that commits in between is then
    shown early and marked by the next refresh, never marked without being shown.
    """
    with conn.cursor() as cursor:
        cursor.execute(
            "UPDATE runs SET generation = %s WHERE status <> 'running' AND generation IS NULL"
            " RETURNING id, source, scenario_id, llm_id, slot, status",
            (generation,),
        )
        ended = [EndedRun(*row) for row in cursor.fetchall()]
        finished = [run.id for run in ended if run.status == "finished"]
        if finished or periods.any_expired(conn, now):
            periods.fold(conn, finished, now)
            refresh_views(conn)
    return ended


def rebuild(conn: Connection, run_ids: list[int], now: datetime) -> None:
    """Bring what readers see of these runs up to date with their rollups, which have changed.

    Part of a transaction that raises the generation, like `refresh`.
    """
    periods.rebuild(conn, run_ids, now)
    refresh_views(conn)


def refresh_views(conn: Connection) -> None:
    """Compute the views from the windows' merged rollups; part of a transaction that raises the generation.

    A view without data, as a broken restore leaves it, can only be filled under a lock for which readers
    wait. So can every view without the right TEMP, since PostgreSQL compares old and new rows in a temporary
    table. Raises psycopg2.errors.LockNotAvailable if that lock is not granted soon.
    """
    concurrent = filled_views(conn) if _may_create_temporary(conn) else ()
    if set(VIEWS) - set(concurrent):
        limit_lock_waits(conn, LOCK_SECONDS)
    with conn.cursor() as cursor:
        for view in VIEWS:
            cursor.execute(f"REFRESH MATERIALIZED VIEW {'CONCURRENTLY' if view in concurrent else ''} {view}")


def _may_create_temporary(conn: Connection) -> bool:
    with conn.cursor() as cursor:
        cursor.execute("SELECT has_database_privilege(current_database(), 'TEMP')")
        return cursor.fetchone()[0]


def filled_views(conn: Connection) -> set[str]:
    """Return the names of the views that can be read."""
    with conn.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE oid = ANY(%s::regclass[]) AND relispopulated", (list(VIEWS),)
        )
        return {name for (name,) in cursor.fetchall()}


def announce_change(conn: Connection, wait_s: float) -> int:
    """Announce to readers that a change is under way; return the generation that the announcement is for.

    Raises psycopg2.errors.LockNotAvailable if another change is not committed within `wait_s`.
    """
    limit_lock_waits(conn, wait_s)
    with conn.cursor() as cursor:
        cursor.execute("UPDATE generation SET changing = true RETURNING value")
        return cursor.fetchone()[0]


def begin_change(conn: Connection, announced: int, wait_s: float) -> int:
    """Raise the generation from the announced one and return it; 0 if another change was committed since.

    Other changes wait for the end of this transaction. Raises psycopg2.errors.LockNotAvailable like
    `announce_change`.
    """
    limit_lock_waits(conn, wait_s)
    notice_dead_client(conn)
    with conn.cursor() as cursor:
        cursor.execute(f"{RAISE} WHERE changing AND value = %s RETURNING value", (announced,))
        row = cursor.fetchone()
        return row[0] if row else 0


def raise_generation(conn: Connection) -> int:
    """Raise the generation and return it, without an announcement, and end those of others.

    It is also raised to the current microsecond: a database that was restored from a backup never repeats a
    generation, under which other responses may be cached.
    """
    with conn.cursor() as cursor:
        cursor.execute(f"{RAISE} RETURNING value")
        return cursor.fetchone()[0]


def generation(conn: Connection) -> int:
    """Return the generation of the views that this transaction sees."""
    return generation_and_change(conn)[0]


def generation_and_change(conn: Connection) -> tuple[int, bool]:
    """Return the generation of the views that this transaction sees, and whether a change is under way."""
    with conn.cursor() as cursor:
        cursor.execute("SELECT value, changing FROM generation")
        return cursor.fetchone()
