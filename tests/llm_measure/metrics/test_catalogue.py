from itertools import combinations

from llm_measure.metrics import METRICS


def test_the_metrics_of_the_contract_come_first_and_in_their_order():
    assert METRICS.names[:4] == ("ttft", "tps", "e2e_latency", "rps")
    assert [metric.name for metric in METRICS.simulated] == ["ttft", "tps", "e2e_latency", "rps"]


def test_simulated_values_lie_within_the_bounds():
    for metric in METRICS.simulated:
        low, high = metric.simulated_range
        least, greatest = metric.bounds
        assert least <= low < high <= (greatest or float("inf"))


def test_each_metric_is_explained_in_full():
    for metric in METRICS:
        assert metric.title
        assert metric.note.endswith(".")
        assert not metric.formula.endswith(".")
        assert set(metric.elsewhere) == {"vLLM", "GuideLLM", "AIPerf"}


def test_units_with_one_symbol_are_one_unit():
    for one, other in combinations((metric.unit for metric in METRICS), 2):
        assert (one.symbol == other.symbol) == (one == other)
