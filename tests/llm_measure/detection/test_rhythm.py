"""What is usual at an hour of the day is no change."""

import numpy as np
import pytest

from llm_measure.detection import ALPHA, Rhythm, look, online
from tests.llm_measure.detection.series import DAY, HOUR, hourly, noisy


def office_hours(times: np.ndarray) -> np.ndarray:
    """Whether it is 9:00 to 17:00 of Monday to Friday."""
    return (times % DAY >= 9 * HOUR) & (times % DAY < 17 * HOUR) & ((times // DAY + 3) % 7 < 5)


def without_rhythm(times: np.ndarray, values: np.ndarray) -> np.ndarray:
    return Rhythm.of(times, values).without(times, values)


@pytest.mark.parametrize("interval", [HOUR, HOUR // 6])
def test_the_rise_of_each_morning_is_no_change_but_one_on_top_of_it_is(interval):
    times = hourly(21 * DAY // interval, interval)
    busy = office_hours(times)
    values = noisy(len(times)) * np.where(busy, 1.3, 1.0)
    end = np.flatnonzero(np.diff(busy.astype(int)) > 0)[-1] + 4  # three runs after that hour
    assert look(without_rhythm(times[:end], values[:end])).p_value > ALPHA
    values[end - 3 : end] *= 1.3
    assert look(values[:end]).p_value > ALPHA  # if every hour were alike
    assert look(without_rhythm(times[:end], values[:end])).p_value < ALPHA


def test_weekends_have_a_rhythm_that_is_theirs():
    times = hourly(28 * 24)
    values = noisy(len(times)) * np.where(office_hours(times), 1.3, 1.0)
    late = [change for change in online(times, values) if change.detected_at_index >= 15 * 24]
    assert late == []


def test_noise_is_no_rhythm():
    values = noisy(28 * 24)
    changed = without_rhythm(hourly(len(values)), values) / values
    assert np.abs(np.log(changed)).max() < 0.01


def test_a_rhythm_needs_two_days():
    values = noisy(48)
    assert np.array_equal(without_rhythm(hourly(48), values), values)


def test_a_gap_in_time_is_no_change():
    times = hourly(300)
    times[200:] += 5 * DAY
    assert online(times, noisy(300)) == []


def test_no_values_have_no_rhythm():
    assert len(without_rhythm(np.empty(0), np.empty(0))) == 0
