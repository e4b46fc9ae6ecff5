"""The rows of leaderboards and load curves, unranked."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from webapp.store import Connection, sql_file

ROWS = sql_file("leaderboard")
# From this condition, unlike from the next one, the planner concludes that both views have one scenario.
OF_SCENARIO = f"{ROWS} AND means.scenario_id = %(scenario_id)s"
OF_SCENARIOS = f"{ROWS} AND means.scenario_id = ANY(%(scenario_ids)s)"
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
    """One LLM's values of one metric in a scenario and window, in its unit; None where there are too few."""

    scenario_id: int
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
    """Return the rows of these metrics in one scenario, in no particular order."""
    return _read(
        conn, OF_SCENARIO, metric_names=metric_names, window=window, source=source, scenario_id=scenario_id
    )


def read_scenarios(
    conn: Connection, *, metric_names: list[str], window: str, source: str, scenario_ids: Sequence[int]
) -> list[Row]:
    """Return the rows of these metrics in several scenarios, in no particular order."""
    ids = list(scenario_ids)
    return _read(
        conn, OF_SCENARIOS, metric_names=metric_names, window=window, source=source, scenario_ids=ids
    )


def error_rates(conn: Connection, *, window: str, source: str, scenario_id: int) -> dict[str, float]:
    """Return the mean ratio of failed requests over the ranked runs, by LLM; none of simulated ones."""
    with conn.cursor() as cursor:
        cursor.execute(ERROR_RATES, {"window": window, "source": source, "scenario_id": scenario_id})
        return dict(cursor.fetchall())


def _read(conn: Connection, query: str, **arguments: Any) -> list[Row]:
    with conn.cursor() as cursor:
        cursor.execute(query, arguments)
        return [Row(*values) for values in cursor.fetchall()]
