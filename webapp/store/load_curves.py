"""Values of several scenarios at the same time: the levels of load curves."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from webapp.store import Connection

LEVELS = """
SELECT
    scenarios.name,
    scenarios.definition -> 'slo',
    llms.name,
    metrics.name,
    means.runs,
    means.n,
    means.mean,
    CASE WHEN means.ci_low < metrics.lower_bound THEN metrics.lower_bound ELSE means.ci_low END,
    CASE WHEN means.ci_high > metrics.upper_bound THEN metrics.upper_bound ELSE means.ci_high END,
    quantiles.p50,
    quantiles.p90,
    quantiles.p95,
    quantiles.p99,
    means.last_measured
FROM metric_means AS means
JOIN metric_quantiles AS quantiles USING (time_window, source, scenario_id, llm_id, metric_id)
JOIN scenarios ON scenarios.id = means.scenario_id
JOIN metrics ON metrics.id = means.metric_id
JOIN llms ON llms.id = means.llm_id
WHERE means.time_window = %(window)s
  AND means.source = %(source)s
  AND scenarios.name = ANY(%(scenarios)s)
  AND metrics.name = ANY(%(metric_names)s)
  AND llms.archived_at IS NULL
ORDER BY llms.name, scenarios.id
"""


@dataclass(frozen=True)
class Row:
    """One LLM's values of one metric in one scenario, in the metric's unit; None where there are too few."""

    scenario: str
    slo: dict[str, float] | None  # bounds by metric
    llm_name: str
    metric_name: str
    runs: int
    n: int
    mean: float
    ci_low: float | None
    ci_high: float | None
    p50: float
    p90: float
    p95: float
    p99: float
    last_measured: datetime


def read(
    conn: Connection, *, scenarios: Sequence[str], metric_names: Sequence[str], window: str, source: str
) -> list[Row]:
    """Return the rows of all ranked LLMs in these scenarios, by the LLM's name."""
    arguments = {
        "scenarios": list(scenarios),
        "metric_names": list(metric_names),
        "window": window,
        "source": source,
    }
    with conn.cursor() as cursor:
        cursor.execute(LEVELS, arguments)
        return [Row(*values) for values in cursor.fetchall()]
