import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from llm_measure.stats.histogram import ACCURACY, Histogram
from llm_measure.stats.intervals import quantile_interval, quantile_ranks

QUANTILES = st.sampled_from([0.5, 0.9, 0.95, 0.99])


@given(st.integers(1, 200_000), QUANTILES, st.sampled_from([0.8, 0.95, 0.99]))
def test_ranks_leave_at_most_half_of_the_rest_on_each_side_and_no_rank_more(n, p, confidence):
    tail = (1 - confidence) / 2
    expected = (int(binom.ppf(tail, n, p)), int(binom.isf(tail, n, p)) + 1)

    ranks = quantile_ranks(n, p, confidence)

    assert ranks == (expected if expected[0] >= 1 and expected[1] <= n else None)


# From David and Nagaraja's formula, and from tables of nonparametric intervals of the median.
@pytest.mark.parametrize(
    ("n", "p", "ranks"),
    [
        (6, 0.5, (1, 6)),
        (10, 0.5, (2, 9)),
        (20, 0.5, (6, 15)),
        (100, 0.5, (40, 61)),
    ],
)
def test_ranks_of_known_tables(n, p, ranks):
    assert quantile_ranks(n, p) == ranks


@pytest.mark.parametrize(("p", "least"), [(0.5, 6), (0.95, 72), (0.99, 368)])
def test_few_values_have_no_interval(p, least):
    assert quantile_ranks(least - 1, p) is None
    assert quantile_ranks(least, p) is not None


@pytest.mark.parametrize("p", [0.5, 0.95, 0.99])
def test_the_interval_covers_the_true_quantile_as_often_as_it_says(p):
    low, high = quantile_ranks(400, p)
    samples = np.sort(np.random.default_rng(20).exponential(size=(4000, 400)))
    truth = -np.log(1 - p)

    covered = (samples[:, low - 1] <= truth) & (truth <= samples[:, high - 1])

    assert covered.mean() > 0.94


def test_a_billion_values_take_no_more_than_a_moment():
    assert quantile_ranks(1_000_000_000, 0.5) == (499_969_010, 500_030_991)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("p", [0.5, 0.95, 0.99])
def test_an_interval_read_from_a_histogram_holds_that_of_the_sorted_values_and_little_more(p, sign):
    values = sign * np.random.default_rng(20).lognormal(size=5000)
    exact_low, exact_high = (np.sort(values)[rank - 1] for rank in quantile_ranks(len(values), p))

    low, high = quantile_interval(Histogram.of(values), p)

    bucket = 2.1 * ACCURACY
    assert exact_low - bucket * abs(exact_low) < low <= exact_low
    assert exact_high <= high < exact_high + bucket * abs(exact_high)


def test_a_histogram_of_few_values_has_no_interval():
    assert quantile_interval(Histogram.of(np.ones(71)), 0.95) is None
