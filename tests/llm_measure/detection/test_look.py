"""Whether the level of a series has changed, by its newest values."""

import numpy as np
import pytest

from llm_measure.detection import ALPHA, look
from tests.llm_measure.detection.series import noisy


def p_value(values: np.ndarray, **more: float) -> float:
    return look(values, **more).p_value


def test_a_steady_series_is_no_change():
    values = noisy(600)
    looks = [p_value(values[:end]) for end in range(300, 600)]
    assert min(looks) > ALPHA
    assert np.mean(np.array(looks) < 0.05) < 0.05


@pytest.mark.parametrize("factor", [1.25, 0.8])
def test_a_level_that_rises_or_falls_is_found_within_three_runs(factor):
    values = noisy(303)
    values[300:] *= factor
    found = look(values)
    assert found.p_value < ALPHA
    assert found.change.index == 300
    assert found.change.low < factor - 1 < found.change.high
    assert found.change.before == pytest.approx(1, rel=0.02)
    assert found.change.after == pytest.approx(factor, rel=0.1)


@pytest.mark.parametrize("outliers", [1, 2])
def test_outliers_alone_are_no_change_however_large(outliers):
    values = noisy(300)
    values[-3:] = 1
    values[-outliers:] *= 100
    assert p_value(values) > ALPHA


def test_a_change_that_is_too_small_to_matter_is_none():
    values = noisy(330, spread=0.01)
    values[300:] *= 1.05
    assert p_value(values) == 1
    assert p_value(values, min_change=0.05) < ALPHA


def test_no_change_is_raised_whose_interval_excludes_the_smallest_one_that_matters():
    for seed in range(12):
        values = noisy(308, spread=0.02, seed=seed)
        values[300:] *= 1.06
        looks = [look(values[:end]) for end in range(301, 309)]
        assert all(found.change.high >= 0.1 for found in looks if found.p_value < ALPHA)


def test_a_change_counts_by_what_is_usual_for_the_series():
    """A wild series needs more runs for the same change."""
    steady, wild = noisy(303, spread=0.05), noisy(303, spread=0.4)
    for values in (steady, wild):
        values[300:] *= 1.25
    assert p_value(steady) < ALPHA < p_value(wild)


def test_skew_counts_on_the_side_on_which_it_is():
    """Values that are as far above the median as many others are no news; as far below, they are."""
    past = np.exp(np.abs(np.random.default_rng(3).normal(0, 0.2, 500)))
    above, below = np.quantile(past, 0.9), np.median(past) ** 2 / np.quantile(past, 0.9)
    assert p_value(np.append(past, [above] * 3)) > p_value(np.append(past, [below] * 3))


def test_runs_that_resemble_the_one_before_count_for_less():
    rng = np.random.default_rng(5)
    wandering = np.zeros(500)
    for index, step in enumerate(rng.normal(0, 0.03, 500)):
        wandering[index] = 0.8 * wandering[index - 1] + step
    shuffled = rng.permutation(wandering)
    jump = [np.exp(0.15)] * 3
    assert p_value(np.append(np.exp(shuffled), jump)) < p_value(np.append(np.exp(wandering), jump))


def test_too_few_runs_say_nothing():
    values = np.append(noisy(19), [5.0] * 3)
    assert p_value(values) == 1
    assert p_value(np.append(noisy(60), [5.0] * 3)) < ALPHA


def test_constant_values_have_no_change_and_no_error():
    assert p_value(np.ones(100)) == 1
    values = np.ones(103)
    values[100:] = 1.2
    assert p_value(values) < ALPHA
