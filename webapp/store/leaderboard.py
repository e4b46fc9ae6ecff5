"""The leaderboard's rows, unranked."""

from dataclasses import dataclass
from datetime import datetime

from webapp.store import Connection, sql_file

LEADERBOARD = sql_file("leaderboard")
ERROR_RATES = """
SELECT llms.name, means.mean
FROM metric_means AS means
JOIN metrics ON metrics.id = means.metric_id
JOIN llms ON llms.id = means.llm_id
WHERE means.time_window = %(window)s
  AND means.source = %(source)s
  AND means.scenario_id = %(scenario_id)s
  AND metrics.name = 'error_rate'
"""


@dataclass(frozen=True)
class Row:
    """One LLM's values of one metric in one window, in the metric's unit; None where there are too few."""

    metric_name: str
    llm_name: str
    company_name: str
    provider: str
    runs: int
    n: int
    mean: float
    ci_low: float | None
    ci_high: float | None
    stddev: float | None
    min: float
    max: float
    p50: float
    p90: float
    p95: float
    p99: float
    last_measured: datetime


def read(
    conn: Connection, *, metric_names: list[str], window: str, source: str, scenario_id: int
) -> list[Row]:
    """Return the rows of these metrics, in no particular order."""
    arguments = {
        "metric_names": metric_names,
        "window": window,
        "source": source,
        "scenario_id": scenario_id,
    }
    with conn.cursor() as cursor:
        cursor.execute(LEADERBOARD, arguments)
        return [Row(*values) for values in cursor.fetchall()]


def error_rates(conn: Connection, *, window: str, source: str, scenario_id: int) -> dict[str, float]:
    """Return the mean ratio of failed requests over the ranked runs, by LLM; none of simulated ones."""
    with conn.cursor() as cursor:
        cursor.execute(ERROR_RATES, {"window": window, "source": source, "scenario_id": scenario_id})
        return dict(cursor.fetchall())
