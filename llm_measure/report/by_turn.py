"""The metrics of first turns against those of later ones, whose prompts are longer and partly known."""

from typing import Any

from llm_measure.metrics import METRICS, derive
from llm_measure.results import LevelResult
from llm_measure.stats.summary import Figures
from llm_measure.workloads import Workload

# Metrics of single requests, and figures of them; what a level achieves in all is not of some of its turns.
NAMES = ("ttft", "ttfa", "e2e_latency", "tpot", "itl", "tps", "prefill_throughput", "error_rate")
FIGURES = ("unit", "n", "mean", "p50", "p95", "p99")


def of_conversations(workload: Workload, result: LevelResult) -> dict[str, Any]:
    """Return the number of conversations, and figures by metric of first and of later turns.

    Those of the warm-up are left out. Nothing without conversations.
    """
    if workload.turns is None:
        return {}
    records = [record for record in result.records if record.turn is not None]
    turns = {
        "first": [record for record in records if record.turn == 1],
        "later": [record for record in records if record.turn != 1],
    }
    values = {name: derive(found, {}, result.span) for name, found in turns.items()}
    return {
        "conversations": sum(not record.warmup for record in turns["first"]),
        "by_turn": {
            name: {each: _figures(each, found[each]) for each in NAMES} for name, found in values.items()
        },
    }


def _figures(name: str, values: Any) -> dict[str, Any]:
    figures = Figures.of(values, METRICS[name].unit.symbol).to_dict()
    return {each: figures[each] for each in FIGURES}
