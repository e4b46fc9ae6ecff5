import pytest

from bench.detect import ours
from bench.detect.series import STEADY, USUAL, Shift
from bench.detect.trials import Trial

STEP = Trial(USUAL, Shift(0.5), 4)
# Found with 1 and with 8 runs of the new level; not found; and a change for the better, then the true one.
FOUND = [[(500, 0.4)], [(507, 0.6)], [], [(501, -0.2), (503, 0.5)]]


def test_shares_and_delays_count_alarms_in_the_direction_of_the_change():
    assert [STEP.share_within(FOUND, runs) for runs in STEP.within] == [0.25, 0.75, 0.75]
    assert STEP.median_delay(FOUND) == 6
    assert Trial(USUAL, Shift(-0.5), 4).share_within(FOUND, 3) == 0.25


def test_what_was_not_found_took_longer_than_the_last_look():
    assert STEP.median_delay([[], [], [], []]) == 21


def test_false_alarms_are_per_10_000_looks():
    assert Trial(USUAL, STEADY, 4).per_10_000(FOUND) == pytest.approx(10)


def test_a_task_ends_with_the_last_run_that_counts():
    (task, *others) = STEP.tasks()

    assert (len(task.values), task.first, task.direction) == (520, 499, 1)
    assert len(others) == 3
    assert task.values != others[0].values


def test_our_detector_finds_a_large_step_after_few_runs():
    assert STEP.share_within(ours.alarms(STEP.tasks()), 3) == 1
