"""Runs with chosen values, for the tests of what is answered."""

from datetime import datetime
from uuid import uuid4

import numpy as np

from webapp.metrics import METRICS_BY_NAME
from webapp.store import Connection, rollups, views
from webapp.store.rollups import Rollup

INSERT_RUN = """
INSERT INTO runs (
    source, workload_id, llm_id, slot, status, attempts, token, job_id, started_at, finished_at
)
SELECT %s, workloads.id, llms.id, %s, 'finished', 1, %s, 'job', %s, %s
FROM llms, workloads
WHERE llms.name = %s AND workloads.name = %s
RETURNING id
"""


def finish_run(
    conn: Connection,
    slot: datetime,
    values: dict[str, dict[str, list[float]]],
    source: str = "simulation",
    workload: str = "default",
) -> None:
    """Finish a run of each named LLM with these values of each named metric; not yet shown."""
    with conn, conn.cursor() as cursor:
        for llm_name, of_llm in values.items():
            cursor.execute(INSERT_RUN, (source, slot, str(uuid4()), slot, slot, llm_name, workload))
            run_id = cursor.fetchone()[0]
            summaries = [
                Rollup.of(run_id, METRICS_BY_NAME[name].id, np.array(numbers, dtype=float))
                for name, numbers in of_llm.items()
            ]
            rollups.insert(conn, summaries)


def show(conn: Connection, now: datetime) -> int:
    """Refresh the views as of `now`; returns the generation."""
    with views.refresh_turn(conn):
        generation = views.refresh(conn, now)
        conn.commit()
    return generation
