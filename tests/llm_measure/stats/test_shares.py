import pytest
from scipy.stats import beta

from llm_measure.stats.shares import share_bounds


@pytest.mark.parametrize(("count", "n"), [(0, 90), (3, 100), (50, 100), (990, 1000), (5, 20_000), (100, 100)])
def test_bounds_are_those_of_clopper_and_pearson(count, n):
    low, high = share_bounds(count / n, n, 0.025, 0.0125)

    assert low == pytest.approx(beta.ppf(0.025, count, n - count + 1) if count else 0, abs=1e-6)
    assert high == pytest.approx(beta.ppf(1 - 0.0125, count + 1, n - count) if count < n else 1, abs=1e-6)


def test_no_values_have_no_bounds():
    assert share_bounds(0.0, 0, 0.05, 0.05) == (None, None)
