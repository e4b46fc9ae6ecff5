"""The judging of new runs in a database, with much history and with little."""

from contextlib import ExitStack
from datetime import timedelta

from bench.harness import Row, compare, seconds
from bench.sections.scale import NOW, System, loaded
from jobs.simulation_run import fill_slot
from webapp.settings import Settings
from webapp.store.views import EndedRun
from webapp.watch.judge import judge

LLMS = 3
LONG, SHORT = 365, 60  # days of a run each hour; both more than is looked at
MOST_MS = 5

# Of every run and simulated metric, with a spread of the means of some percent.
ROLLUPS = """
INSERT INTO rollups (run_id, metric_id, n, mean, m2, min, max, histogram, p95)
SELECT runs.id, one.metric_id, one.n, one.mean * (1 + random() / 10), one.m2, one.min, one.max, one.histogram,
    one.p95 * (1 + random() / 10)
FROM runs, (SELECT DISTINCT ON (metric_id) * FROM rollups) AS one
ON CONFLICT DO NOTHING
"""
SHOW = """
UPDATE runs SET generation = 1 WHERE generation IS NULL
RETURNING id, source, scenario_id, llm_id, slot, status
"""


def rows(settings: Settings) -> list[Row]:
    """Return the milliseconds per series to judge a slot of 3 LLMs, 8 series each."""
    with ExitStack() as stack:
        long, short = (
            _Judging(stack.enter_context(loaded(settings, f"judged_{days}", days, 0, LLMS)))
            for days in (LONG, SHORT)
        )
        what = f"judging a series, {LONG} days of runs"
        row = compare(
            f"{what} / {SHORT} days", "ms", long.judge, short.judge, rounds=20, warmup=2, at_most=1.5
        )
        return [row, Row(f"{what} / the bound", "ms", row.ours, MOST_MS, row.ours / MOST_MS, at_most=1)]


class _Judging:
    def __init__(self, system: System):
        self._conn, self._settings = system.conn, system.settings
        fill_slot(self._conn, self._settings, NOW + timedelta(minutes=1), "bench")
        with self._conn, self._conn.cursor() as cursor:
            cursor.execute("SET LOCAL session_replication_role = replica")
            cursor.execute(ROLLUPS)
            cursor.execute(SHOW)
            newest = [EndedRun(*row) for row in cursor.fetchall()]
        self._ended = [run for run in newest if run.slot > NOW]
        self._conn.autocommit = True
        self._conn.cursor().execute("VACUUM ANALYZE")
        self._conn.autocommit = False

    def judge(self) -> float:
        """Return the milliseconds per series to judge the newest slot."""
        took_s = seconds(lambda: judge(self._conn, self._settings, self._ended, NOW))
        with self._conn.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM watched_series")
            (series,) = cursor.fetchone()
        self._conn.rollback()
        return took_s * 1000 / series
