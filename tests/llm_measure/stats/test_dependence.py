import numpy as np
import pytest

from llm_measure.stats.dependence import inflation


def test_independent_values_are_hardly_inflated():
    assert inflation([np.random.default_rng(1).random(20_000)]) < 1.3


@pytest.mark.parametrize("correlation", [0.5, 0.9])
def test_an_autoregressive_series_is_inflated_as_its_correlation_says(correlation):
    random, series = np.random.default_rng(2), np.zeros(60_000)
    for index in range(1, len(series)):
        series[index] = correlation * series[index - 1] + random.normal()

    assert inflation(np.split(series, 3)) == pytest.approx((1 + correlation) / (1 - correlation), rel=0.25)


def test_equal_values_and_none_are_not_inflated():
    assert inflation([np.full(100, 0.1)]) == inflation([]) == inflation([np.ones(1)]) == 1
