import numpy as np
import pytest

from webapp.page.charts import BARS, distribution, reach_of
from webapp.store.histogram import Histogram


@pytest.mark.parametrize(("low", "high"), [(0.05, 2), (10, 150), (-3, 5), (0, 1)])
def test_evenly_spread_values_make_bars_of_one_height_whatever_the_buckets_widths(low, high):
    values = np.random.default_rng(20).uniform(low, high, 400_000)

    chart = distribution(Histogram.of(values), low, high)

    shares = np.array(chart["lines"][0]["values"])
    assert len(shares) == BARS
    assert shares.sum() == pytest.approx(100, abs=1)
    # The bars at either end may lose a part of a bucket, 2 % of the value there.
    assert shares[2:-2] == pytest.approx(100 / BARS, rel=0.1)


def test_a_long_tail_is_cut_and_its_share_told():
    values = np.append(np.full(995, 1.0), np.full(5, 100.0))

    chart = distribution(Histogram.of(values), *reach_of(1.0, 1.0, 100.0))

    assert chart["above"] == 0.5
    assert chart["x"][-1] < 1.25


@pytest.mark.parametrize("value", [0.0, 2.0, -1.0])
def test_a_single_value_has_room_on_both_sides(value):
    low, high = reach_of(value, value, value)
    assert low < value < high

    shares = distribution(Histogram.of(np.array([value])), low, high)["lines"][0]["values"]
    assert sum(shares) == pytest.approx(100, abs=0.1)
