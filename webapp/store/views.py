"""The materialized views and their generation, the number that says how new they are."""

from datetime import datetime

from webapp.store import Connection, periods

# Held by whoever refreshes, from before its transaction until the new generation is made known.
REFRESH_LOCK = 7_205_003


def lock_refresh(conn: Connection, wait_s: float) -> None:
    """Take the turn to refresh, for this connection; psycopg2.errors.LockNotAvailable after `wait_s`."""
    with conn.cursor() as cursor:
        cursor.execute("SET lock_timeout = %s", (f"{wait_s}s",))
        cursor.execute("SELECT pg_advisory_lock(%s)", (REFRESH_LOCK,))


def unlock_refresh(conn: Connection) -> None:
    """Give the turn back."""
    with conn.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_unlock(%s)", (REFRESH_LOCK,))
        cursor.execute("RESET lock_timeout")


def are_outdated(conn: Connection, now: datetime) -> bool:
    """Whether a run has ended that is not shown yet, or something in the views has left its window."""
    with conn.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM runs WHERE status <> 'running' AND generation IS NULL)")
        return cursor.fetchone()[0] or periods.any_expired(conn, now)


def refresh(conn: Connection, now: datetime) -> int:
    """Refresh the views, raise the generation and return it; readers go on with the old until the commit.

    The views read the windows' merged rollups alone, which take in only what is new since the last time. Runs
    that failed or were invalid bring no values: if there is nothing else, the views stay as they are.

    The runs are marked before the views are refreshed: one that commits in between is then shown early and
    marked by the next refresh, never marked without being shown.
    """
    generation = raise_generation(conn)
    with conn.cursor() as cursor:
        cursor.execute(
            "UPDATE runs SET generation = %s WHERE status <> 'running' AND generation IS NULL"
            " RETURNING id, status",
            (generation,),
        )
        finished = [run_id for run_id, status in cursor.fetchall() if status == "finished"]
        if finished or periods.any_expired(conn, now):
            periods.fold(conn, finished, now)
            cursor.execute("REFRESH MATERIALIZED VIEW CONCURRENTLY metric_means")
            cursor.execute("REFRESH MATERIALIZED VIEW CONCURRENTLY metric_quantiles")
        return generation


def raise_generation(conn: Connection) -> int:
    """Raise the generation and return it; for every transaction that changes what readers see."""
    with conn.cursor() as cursor:
        cursor.execute("UPDATE generation SET value = value + 1 RETURNING value")
        return cursor.fetchone()[0]


def generation(conn: Connection) -> int:
    """The generation of the views that this transaction sees."""
    with conn.cursor() as cursor:
        cursor.execute("SELECT value FROM generation")
        return cursor.fetchone()[0]
