import numpy as np
import pytest

from llm_measure.stats.histogram import Histogram
from webapp.page.charts import BARS, BARS_AROUND_ONE, distribution


def shares(chart):
    return np.array(chart["lines"][0]["values"])


@pytest.mark.parametrize(("low", "high"), [(0.05, 2), (10, 150), (-3, 5), (0, 1)])
def test_uniform_values_make_bars_of_equal_height(low, high):
    values = np.random.default_rng(20).uniform(low, high, 400_000)

    bars = shares(distribution(Histogram.of(values), low, high, high))

    assert len(bars) == BARS
    assert bars.sum() == pytest.approx(100, abs=0.1)
    # The bars at either end gain or lose part of a bucket, 2 % of the value there.
    assert bars[2:-2] == pytest.approx(100 / BARS, rel=0.1)


def test_a_long_tail_is_cut_off_and_its_percentage_given():
    values = np.append(np.geomspace(0.1, 1, 995), np.full(5, 100.0))

    chart = distribution(Histogram.of(values), 0.1, 1.0, 100.0)

    assert chart["above"] == 0.5
    assert chart["lines"][0]["x"][-1] < 1.25


def test_bars_are_no_narrower_than_the_buckets_of_the_histogram():
    values = np.array([1.0] * 3 + [1.05])

    chart = distribution(Histogram.of(values), 1.0, 1.05, 1.05)

    assert len(chart["lines"][0]["x"]) == len(Histogram.of(values).counts) < 6
    assert (shares(chart)[0], shares(chart)[-1]) == (75, 25)


@pytest.mark.parametrize("value", [0.0, 2.0, -1.0])
def test_a_single_value_is_one_bar_in_the_middle(value):
    chart = distribution(Histogram.of(np.array([value])), value, value, value)

    assert shares(chart).max() == 100
    assert chart["lines"][0]["x"][BARS_AROUND_ONE // 2] == pytest.approx(value, abs=1e-9)
    assert shares(chart)[BARS_AROUND_ONE // 2] == 100
