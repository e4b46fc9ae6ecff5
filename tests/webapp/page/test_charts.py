import numpy as np
import pytest

from llm_measure.stats.histogram import Histogram
from webapp.page.charts import BARS, BARS_AROUND_ONE, distribution


def shares(chart):
    return np.array(chart["lines"][0]["values"])


@pytest.mark.parametrize(("low", "high"), [(0.05, 2), (10, 150), (-3, 5), (0, 1)])
def test_evenly_spread_values_make_bars_of_one_height_whatever_the_buckets_widths(low, high):
    values = np.random.default_rng(20).uniform(low, high, 400_000)

    bars = shares(distribution(Histogram.of(values), low, high, high))

    assert len(bars) == BARS
    assert bars.sum() == pytest.approx(100, abs=0.1)
    # The bars at either end lose or win a part of a bucket, 2 % of the value there.
    assert bars[2:-2] == pytest.approx(100 / BARS, rel=0.1)


def test_a_long_tail_is_cut_and_its_share_told():
    values = np.append(np.geomspace(0.1, 1, 995), np.full(5, 100.0))

    chart = distribution(Histogram.of(values), 0.1, 1.0, 100.0)

    assert chart["above"] == 0.5
    assert chart["x"][-1] < 1.25


def test_values_close_together_make_no_finer_bars_than_the_histogram_can_tell():
    values = np.array([1.0] * 3 + [1.05])

    chart = distribution(Histogram.of(values), 1.0, 1.05, 1.05)

    assert len(chart["x"]) == len(Histogram.of(values).counts) < 6
    assert (shares(chart)[0], shares(chart)[-1]) == (75, 25)


@pytest.mark.parametrize("value", [0.0, 2.0, -1.0])
def test_a_single_value_is_one_bar_in_the_middle(value):
    chart = distribution(Histogram.of(np.array([value])), value, value, value)

    assert shares(chart).max() == 100
    assert chart["x"][BARS_AROUND_ONE // 2] == pytest.approx(value, abs=1e-9)
    assert shares(chart)[BARS_AROUND_ONE // 2] == 100
