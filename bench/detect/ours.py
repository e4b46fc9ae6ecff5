"""Our detector on the tasks."""

import multiprocessing
from collections.abc import Sequence

import numpy as np

from bench.detect.trials import MIN_CHANGE, Alarms, Task
from llm_measure.detection import ALPHA, Look, Rhythm, look, watch
from llm_measure.detection.look import SEEN
from llm_measure.detection.rhythm import DAY, MOST_DAYS


def alarms(tasks: Sequence[Task]) -> list[Alarms]:
    """Return the alarms of each task."""
    with multiprocessing.Pool() as pool:
        return pool.map(_alarms, tasks, chunksize=1)


def newest(times: np.ndarray, values: np.ndarray) -> Look:
    """Return what the newest value of a whole series says; only its bounded past is looked at."""
    first = min(max(0, len(values) - SEEN), int(np.searchsorted(times, times[-1] - MOST_DAYS * DAY)))
    times, values = times[first:], values[first:]
    rhythm = Rhythm.of(times, values)
    return look(rhythm.without(times, values), min_change=MIN_CHANGE, inflation=rhythm.inflation)


def _alarms(task: Task) -> Alarms:
    times, values = np.array(task.times), np.array(task.values)
    if not task.direction:
        # That a level is back, after a change that there was not, is no alarm.
        noted = watch(times, values, min_change=MIN_CHANGE)
        raised = [(change.detected_at_index, change.change) for change, is_back in noted if not is_back]
        return [(index, change) for index, change in raised if index > task.first]
    for index in range(task.first + 1, len(values)):
        found = newest(times[: index + 1], values[: index + 1])
        if found.change and found.p_value <= ALPHA and found.change.change * task.direction > 0:
            return [(index, found.change.change)]
    return []
