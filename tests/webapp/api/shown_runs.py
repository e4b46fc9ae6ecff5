"""Runs with chosen values, for the tests of what is answered."""

from datetime import datetime
from uuid import uuid4

import numpy as np

from llm_measure.metrics import METRICS
from webapp import generation
from webapp.store import Connection, rollups, views
from webapp.store.rollups import Rollup

INSERT_RUN = """
INSERT INTO runs (
    source, scenario_id, llm_id, slot, status, attempts, token, job_id, started_at, finished_at
)
SELECT %s, scenarios.id, llms.id, %s, 'finished', 1, %s, 'job', %s, %s
FROM llms, scenarios
WHERE llms.name = %s AND scenarios.name = %s
RETURNING id
"""


def finish_run(
    conn: Connection,
    slot: datetime,
    values: dict[str, dict[str, list[float]]],
    source: str = "simulation",
    scenario: str = "default",
) -> None:
    """Finish a run of each named LLM with these values of each named metric; not yet shown."""
    with conn, conn.cursor() as cursor:
        for llm_name, of_llm in values.items():
            cursor.execute(INSERT_RUN, (source, slot, str(uuid4()), slot, slot, llm_name, scenario))
            run_id = cursor.fetchone()[0]
            summaries = [
                Rollup.of(run_id, METRICS[name].id, np.array(numbers, dtype=float))
                for name, numbers in of_llm.items()
            ]
            rollups.insert(conn, summaries)


def show(conn: Connection, now: datetime) -> int:
    """Refresh the views as of `now`; returns the generation."""
    with generation.refresh_turn(conn):
        generation = views.refresh(conn, now)
        conn.commit()
    return generation
