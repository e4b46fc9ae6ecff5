"""Migrations of a database with a million points, while others read and write it."""

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial

from alembic.script import ScriptDirectory
from flask_migrate import downgrade, upgrade

from bench.harness import Row, seconds
from webapp import create_app
from webapp.lock_wait import LOCK_TIMEOUT_MS
from webapp.settings import ROOT, Settings
from webapp.store import connect

# 84 slots of 3 LLMs, with 1,000 values of 4 metrics each: 1,008,000 points.
FILL = """
CREATE TABLE points_20260101 PARTITION OF points FOR VALUES FROM ('2026-01-01') TO ('2026-01-02');
INSERT INTO runs (
    source, workload_id, llm_id, slot, status, attempts, token, job_id, started_at, finished_at, points
)
SELECT 'simulation', 1, llm, slot, 'finished', 1, gen_random_uuid(), 'bench', slot, slot, 4000
FROM generate_series(timestamptz '2026-01-01 00:00Z', '2026-01-01 13:50Z', '10 minutes') AS slots (slot)
CROSS JOIN generate_series(1, 3) AS llms (llm);
INSERT INTO points (recorded_at, run_id, metric_id, value)
SELECT slot, runs.id, metric, 0.05 + random()
FROM runs CROSS JOIN generate_series(1, 4) AS metrics (metric) CROSS JOIN generate_series(1, 1000);
INSERT INTO rollups (run_id, metric_id, n, mean, m2, min, max)
SELECT run_id, metric_id, count(*), avg(value), var_pop(value) * count(*), min(value), max(value)
FROM points GROUP BY run_id, metric_id;
REFRESH MATERIALIZED VIEW metric_means
"""
# What every version has; each statement is a transaction.
READS = ("SELECT * FROM metric_means", "SELECT * FROM runs ORDER BY id DESC LIMIT 50")
WRITES = (
    "INSERT INTO points (recorded_at, run_id, metric_id, value) VALUES ('2026-01-01 12:00Z', 1, 1, 0.5)",
    "UPDATE runs SET attempts = attempts WHERE id = 1",
    "UPDATE rollups SET n = n WHERE run_id = 1 AND metric_id = 1",
)


def measure(settings: Settings) -> list[Row]:
    """Each migration of 1,008,000 points, and the longest wait of a reader and a writer meanwhile."""
    app = create_app(settings)
    with app.app_context():
        downgrade(revision="base")
        upgrade(revision="0001")
        with closing(connect(settings)) as conn, conn, conn.cursor() as cursor:
            cursor.execute(FILL)
        rows = [row for revision in _later_revisions() for row in _migrate(settings, revision)]
        app.extensions["sqlalchemy"].engine.dispose()
    return rows


def _later_revisions() -> list[str]:
    scripts = ScriptDirectory(str(ROOT / "migrations")).walk_revisions()
    return sorted(script.revision for script in scripts if script.revision > "0001")


def _migrate(settings: Settings, revision: str) -> list[Row]:
    with _load(settings, READS) as reading, _load(settings, WRITES) as writing:
        taken = seconds(lambda: upgrade(revision=revision))
    wait, bound = max(reading + writing), LOCK_TIMEOUT_MS / 1000
    what = f"longest wait during migration {revision} / lock timeout"
    return [
        Row(f"migration {revision}", "s", ours=taken),
        Row(what, "s", ours=wait, base=bound, ratio=wait / bound, at_most=1),
    ]


@contextmanager
def _load(settings: Settings, statements: tuple[str, ...]) -> Iterator[list[float]]:
    """Execute the statements repeatedly until the block ends; the list gets the duration of each."""
    durations: list[float] = []
    ended = threading.Event()

    def repeat() -> None:
        with closing(connect(settings)) as conn, conn.cursor() as cursor:
            conn.autocommit = True
            while not ended.wait(0.005):
                durations.extend(seconds(partial(cursor.execute, statement)) for statement in statements)

    thread = threading.Thread(target=repeat)
    thread.start()
    try:
        yield durations
    finally:
        ended.set()
        thread.join()
