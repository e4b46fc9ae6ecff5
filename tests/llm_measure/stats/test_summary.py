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
