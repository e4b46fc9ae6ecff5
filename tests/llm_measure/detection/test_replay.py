"""Whole series: what would have been raised, and what shows itself afterwards."""

import numpy as np
import pytest

from llm_measure.detection import detect
from tests.llm_measure.detection.series import hourly, noisy


def changes(values: np.ndarray, **more: float):
    return detect(hourly(len(values)), values, **more)


def test_a_steady_series_has_no_changes():
    assert changes(noisy(2000)) == []


def test_a_step_is_one_change_with_its_sizes():
    values = noisy(400)
    values[200:] *= 1.2
    (found,) = changes(values)
    assert found.index == 200
    assert 201 < found.detected_at_index < 206
    assert found.low < 0.2 < found.high


def test_a_level_that_returns_is_compared_with_the_former_one_again():
    values = noisy(600)
    values[200:240] *= 1.3
    values[500:] *= 1.3
    up, down, again = changes(values)
    assert (up.index, again.index) == (200, 500)
    assert abs(down.index - 240) <= 2
    assert up.change == pytest.approx(0.3, abs=0.08)
    assert down.change == pytest.approx(1 / 1.3 - 1, abs=0.08)


def test_a_level_that_changes_twice_in_one_direction_is_two_changes():
    values = noisy(500)
    values[200:] *= 1.3
    values[350:] *= 1.3
    assert [change.index for change in changes(values)] == [200, 350]


def test_a_change_of_the_last_runs_is_found_before_it_is_raised():
    values = noisy(500, spread=0.02)
    values[15:] *= 1.3  # too early to be raised: there is no past
    (found,) = changes(values)
    assert (found.index, found.detected_at_index) == (15, None)


def test_the_smallest_change_is_configurable():
    values = noisy(600, spread=0.01)
    values[300:] *= 1.05
    assert changes(values) == []
    assert [change.index for change in changes(values, min_change=0.05)] == [300]


def test_a_series_of_few_values_has_no_changes():
    for length in range(8):
        assert changes(noisy(length)) == []
