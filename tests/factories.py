"""Rows for tests. Each function takes the connection first; the caller commits."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import uuid4

import numpy as np
from psycopg2.extras import Json

from llm_measure.metrics import METRICS
from webapp.models.results import PeriodRollup
from webapp.store import Connection, rollups
from webapp.store.rollups import Rollup


def add_llm(
    conn: Connection, name: str, company_name: str = "maker", provider: str = "provider", **columns: Any
) -> int:
    """Add an LLM and return its id."""
    return _insert(conn, "llms", name=name, company_name=company_name, provider=provider, **columns)


def add_scenario(conn: Connection, name: str, definition: dict[str, Any] | None = None) -> int:
    """Add a scenario, a measured one if it has a definition, and return its id."""
    return _insert(
        conn, "scenarios", name=name, description="of a test", definition=definition and Json(definition)
    )


def add_run(
    conn: Connection,
    slot: datetime,
    llm: str = "GPT-4o",
    source: str = "simulation",
    scenario: str = "default",
    status: str = "finished",
    **columns: Any,
) -> int:
    """Add a run of an existing LLM and scenario, without values, and return its id."""
    ended = None if status == "running" else slot
    given = {"attempts": 1, "token": str(uuid4()), "job_id": "job", "started_at": slot, "finished_at": ended}
    return _insert(
        conn,
        "runs",
        source=source,
        scenario_id=_id(conn, "scenarios", scenario),
        llm_id=_id(conn, "llms", llm),
        slot=slot,
        status=status,
        **{**given, **columns},
    )


def add_failed_runs(conn: Connection, number: int) -> None:
    """Add failed simulations of one LLM, one second apart since 2020; fast for large numbers."""
    with conn.cursor() as cursor:
        cursor.execute(
            "INSERT INTO runs"
            " (source, scenario_id, llm_id, slot, status, attempts, token, job_id, started_at)"
            " SELECT 'simulation', 1, 1, '2020-01-01'::timestamptz + second * interval '1 s', 'failed', 1,"
            " gen_random_uuid(), 'job', now() FROM generate_series(1, %s) AS second",
            (number,),
        )


def add_rollups(conn: Connection, run_id: int, values: Mapping[str, Sequence[float]]) -> None:
    """Add the rollups of a run's values by metric name."""
    rollups.insert(
        conn,
        [
            Rollup.of(run_id, METRICS[name].id, np.array(numbers, dtype=float))
            for name, numbers in values.items()
        ],
    )


def repeat_hours(conn: Connection, times: int) -> None:
    """Repeat the stored hourly rollups in each of the `times` hours before."""
    columns = ", ".join(column.name for column in PeriodRollup.__table__.columns if column.computed is None)
    moved = columns.replace("starts_at", "starts_at - hours * interval '1 hour'")
    with conn.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO period_rollups ({columns}) SELECT {moved}"
            " FROM period_rollups, generate_series(1, %s) AS hours WHERE period = 'hour'",
            (times,),
        )


def archive_llm(conn: Connection, name: str) -> None:
    """Archive an LLM without raising the generation."""
    with conn.cursor() as cursor:
        cursor.execute("UPDATE llms SET archived_at = now() WHERE name = %s", (name,))


def _id(conn: Connection, table: str, name: str) -> int:
    with conn.cursor() as cursor:
        cursor.execute(f"SELECT id FROM {table} WHERE name = %s", (name,))
        (found,) = cursor.fetchone()
        return found


def _insert(conn: Connection, table: str, **columns: Any) -> int:
    names, marks = ", ".join(columns), ", ".join(["%s"] * len(columns))
    with conn.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} ({names}) VALUES ({marks}) RETURNING id", tuple(columns.values())
        )
        (added,) = cursor.fetchone()
        return added
