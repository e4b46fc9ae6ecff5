"""Our detector on the tasks."""

import multiprocessing
from collections.abc import Sequence

import numpy as np

from bench.detect.trials import Alarms, Task
from llm_measure.detection import ALPHA, look, online


def alarms(tasks: Sequence[Task]) -> list[Alarms]:
    """Return the alarms of each task."""
    with multiprocessing.Pool() as pool:
        return pool.map(_alarms, tasks, chunksize=1)


def _alarms(task: Task) -> Alarms:
    times, values = np.array(task.times), np.array(task.values)
    if not task.direction:
        changes = online(times, values, min_change=task.min_change)
        raised = [(change.detected_at_index, change.change) for change in changes]
        return [(index, change) for index, change in raised if index > task.first]
    for index in range(task.first + 1, len(values)):
        seen = slice(index + 1)
        found = look(times[seen], values[seen], min_change=task.min_change)
        if found.change and found.p_value <= ALPHA and found.change.change * task.direction > 0:
            return [(index, found.change.change)]
    return []
