"""How much a level has shifted, and whether it is back."""

import numpy as np
import pytest

from llm_measure.detection import returned, shift
from tests.llm_measure.detection.series import noisy

BEFORE = noisy(200)


def test_a_shift_has_its_interval():
    inside = 0
    for seed in range(200):
        found = shift(BEFORE, 1.3 * noisy(10, seed=100 + seed))
        inside += found.low < 0.3 < found.high
    assert 180 <= inside <= 199  # 95 %


def test_an_outlier_moves_a_shift_little():
    values = noisy(9)
    assert shift(BEFORE, np.append(values, 50.0)).change < 0.05


def test_levels_are_back_once_a_few_values_are():
    slow = 1.3 * noisy(30, seed=7)
    assert not returned(BEFORE, slow)
    assert not returned(BEFORE, np.append(slow, [1.0]))
    assert returned(BEFORE, np.append(slow, [1.01, 0.99, 1.02]))


@pytest.mark.parametrize("factor", [1.1, 0.9])
def test_a_small_change_needs_more_values_to_be_back(factor):
    changed = factor * noisy(30, seed=7)
    values = np.append(changed, noisy(20, seed=8))
    first = next(end for end in range(30, 51) if returned(BEFORE, values[:end]))
    assert 32 <= first <= 42


def test_a_level_that_only_got_a_little_better_is_not_back():
    values = np.append(1.5 * noisy(30, seed=7), 1.35 * noisy(10, seed=8))
    assert not returned(BEFORE, values)


def test_nothing_is_back_without_values():
    assert not returned(BEFORE[:1], BEFORE)
    assert not returned(BEFORE, BEFORE[:2])
