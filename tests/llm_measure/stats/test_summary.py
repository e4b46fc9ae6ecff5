import numpy as np
import pytest

from llm_measure.stats.summary import Figures


def test_figures_of_several_values():
    figures = Figures.of(np.arange(1.0, 101.0), "s")

    assert (figures.unit, figures.n, figures.mean, figures.min, figures.max) == ("s", 100, 50.5, 1, 100)
    assert figures.stddev == pytest.approx(29.011, abs=1e-3)
    assert (figures.p50, figures.p90, figures.p95, figures.p99) == (50, 90, 95, 99)


def test_one_value_has_no_deviation():
    figures = Figures.of(np.array([2.0]), "s")

    assert (figures.mean, figures.stddev, figures.p99) == (2, None, 2)


def test_no_values_have_no_figures():
    assert Figures.of(np.array([]), "s") == Figures("s", 0)


def test_quantiles_have_intervals_by_order_statistics():
    figures = Figures.of(np.random.default_rng(20).permutation(np.arange(1.0, 401.0)), "s")

    assert (figures.p50_low, figures.p50_high) == (180, 221)
    assert (figures.p95_low, figures.p95_high) == (371, 389)
    assert (figures.p99_low, figures.p99_high) == (392, 400)


def test_few_values_have_intervals_of_lower_quantiles_alone():
    figures = Figures.of(np.arange(1.0, 101.0), "s")

    assert (figures.p50_low, figures.p50_high) == (40, 61)
    assert (figures.p95_low, figures.p95_high) == (90, 100)
    assert (figures.p99_low, figures.p99_high) == (None, None)


def test_values_that_depend_on_each_other_have_no_intervals():
    figures = Figures.of(np.arange(1.0, 401.0), "s", independent=False)

    assert figures.p50 == 200
    assert figures.p50_low is figures.p50_high is figures.p99_high is None
