"""Simulated values."""

import json

import numpy as np
import pytest

from jobs.simulate import simulate
from llm_measure.metrics import METRICS
from webapp.settings import ROOT

LLMS = ["GPT-4o", "Llama 3.1 70B", "Claude 3.5 Sonnet"]


def test_the_published_response_is_what_the_formula_gives_for_seed_20():
    expected = []
    for metric in METRICS.simulated:
        means = {name: float(simulate(name, metric, 20, 1000).mean()) for name in LLMS}
        ranked = sorted(means.items(), key=lambda item: -item[1])
        expected.append({metric.name: [{"llm_name": n, "mean_value": round(m, 2)} for n, m in ranked]})

    assert json.loads((ROOT / "public" / "response.json").read_text()) == {"data": expected}


@pytest.mark.parametrize("metric", METRICS.simulated, ids=lambda metric: metric.name)
def test_values_are_in_the_simulated_range_and_have_two_decimals(metric):
    values = simulate("any", metric, 3, 5000)

    low, high = metric.simulated_range
    assert low <= values.min()
    assert values.max() <= high
    np.testing.assert_array_equal(values, values.round(2))


def test_a_seed_fixes_the_values_which_differ_without_one():
    metric = METRICS.simulated[0]

    np.testing.assert_array_equal(simulate("a", metric, 1, 100), simulate("a", metric, 1, 100))
    assert not np.array_equal(simulate("a", metric, 1, 100), simulate("a", metric, 2, 100))
    assert not np.array_equal(simulate("a", metric, None, 100), simulate("a", metric, None, 100))


def test_a_longer_run_begins_with_the_shorter_ones_values():
    metric = METRICS.simulated[1]

    np.testing.assert_array_equal(simulate("a", metric, 1, 2000)[:1000], simulate("a", metric, 1, 1000))


def test_a_metric_without_a_simulated_range_is_refused():
    with pytest.raises(ValueError, match="metric itl: not simulated"):
        simulate("a", METRICS["itl"], 1, 100)
