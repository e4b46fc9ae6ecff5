import numpy as np
import pytest

from bench.detect.series import CONDITIONS, DAY, DRIFT, HOUR, LEVEL, USUAL, Shift, generate

SPREADS = {"2 % spread": 0.02, "single outliers": 0.135, "growing variance": 0.082}
BY_NAME = {condition.name: condition for condition in CONDITIONS}


@pytest.mark.parametrize("condition", CONDITIONS, ids=lambda condition: condition.name)
def test_a_steady_series_has_its_level_and_spread_and_is_the_same_for_a_seed(condition):
    series, again = generate(condition, 1, 20_000), generate(condition, 1, 20_000)

    np.testing.assert_array_equal(series.values, again.values)
    assert (np.diff(series.times) >= condition.interval).all()
    values = series.values / (1 if condition.rhythm is None else condition.rhythm(series.times))
    assert values.mean() == pytest.approx(LEVEL, rel=0.02)
    assert values.std() / LEVEL == pytest.approx(SPREADS.get(condition.name, 0.05), rel=0.1)


def test_a_step_changes_the_level_from_its_run_on():
    steady, stepped = generate(USUAL, 1, 300), generate(USUAL, 1, 300, Shift(-0.2, at=150))

    np.testing.assert_allclose(stepped.values[:150], steady.values[:150])
    np.testing.assert_allclose(stepped.values[150:], steady.values[150:] * 0.8)


def test_a_drift_reaches_its_size_after_its_runs():
    factors = DRIFT.factors(700)

    assert factors[[499, 549, 599, 699]] == pytest.approx([1, 1.1, 1.2, 1.2])


def test_gaps_leave_a_fifth_of_the_runs_and_3_days_out():
    distances = np.diff(generate(BY_NAME["gaps"], 1, 5000).times)

    assert distances.max() >= 3 * DAY
    assert np.median(distances) == HOUR
    assert len(distances) * HOUR / distances.sum() == pytest.approx(0.8, abs=0.03)


@pytest.mark.parametrize(
    ("name", "busy"), [("day rhythm, hourly", 1), ("office hours, 10 min", 5 * 8 / (7 * 24))]
)
def test_a_rhythm_has_any_phase_and_15_percent(name, busy):
    rhythm = BY_NAME[name].rhythm
    week = np.arange(7 * DAY, step=600)

    assert (rhythm(week).min(), rhythm(week).max()) == pytest.approx((0.85, 1.15), rel=1e-3)
    if busy < 1:
        assert (rhythm(week) > 1).mean() == pytest.approx(busy)
    assert len({generate(BY_NAME[name], seed, 1).times[0] for seed in range(20)}) > 10
