"""Self-checks: the error of measurement itself, by metric."""

from dataclasses import astuple, dataclass
from datetime import datetime, timedelta

from psycopg2.extras import execute_values

from webapp.store import Connection

OFF = """
SELECT slot, least(
    (SELECT min(following.slot) FROM self_checks AS following WHERE following.slot > off.slot),
    slot + %(reach)s::interval
)
FROM (SELECT DISTINCT slot FROM self_checks WHERE abs(p50_s) > %(bound_s)s) AS off
ORDER BY slot
"""


@dataclass(frozen=True)
class SelfCheckError:
    """One metric's error, measured minus known, in seconds: its median and 99th percentile."""

    metric: str
    n: int
    known_s: float
    p50_s: float
    p99_s: float

    def __str__(self) -> str:
        return f"{self.metric} p50 {1e3 * self.p50_s:+.3f} ms, p99 {1e3 * self.p99_s:+.3f} ms"


def insert(conn: Connection, slot: datetime, errors: list[SelfCheckError]) -> None:
    """Store the slot's self-check unless it is already stored."""
    with conn.cursor() as cursor:
        execute_values(
            cursor,
            "INSERT INTO self_checks (slot, metric, n, known_s, p50_s, p99_s) VALUES %s"
            " ON CONFLICT DO NOTHING",
            [(slot, *astuple(error)) for error in errors],
        )


def read(conn: Connection, limit: int) -> dict[datetime, list[SelfCheckError]]:
    """Return at most `limit` self-checks by slot, newest first."""
    with conn.cursor() as cursor:
        cursor.execute(
            "SELECT slot, metric, n, known_s, p50_s, p99_s FROM self_checks"
            " WHERE slot IN (SELECT DISTINCT slot FROM self_checks ORDER BY slot DESC LIMIT %s)"
            " ORDER BY slot DESC, known_s, metric",
            (limit,),
        )
        checks: dict[datetime, list[SelfCheckError]] = {}
        for slot, *error in cursor.fetchall():
            checks.setdefault(slot, []).append(SelfCheckError(*error))
        return checks


def off(conn: Connection, bound_s: float, reach: timedelta) -> list[tuple[datetime, datetime]]:
    """Return when the client measured wrongly: from each self-check whose median error exceeds the bound.

    Until the next one, or for as long as `reach`.
    """
    with conn.cursor() as cursor:
        cursor.execute(OFF, {"bound_s": bound_s, "reach": reach})
        return cursor.fetchall()
