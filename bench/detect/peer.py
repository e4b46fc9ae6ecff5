"""Apache Otava on the same tasks, in a separate environment."""

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bench.detect.trials import Alarms, Task, Trial
from bench.environments import make_environment
from webapp.settings import ROOT

REQUIREMENT = "apache-otava==0.8.0"
DEFAULT = 0.001  # its max_pvalue
LOOKS = Path(__file__).with_name("otava_looks.py")
CALIBRATION = (1e-3, 3e-4, 1e-4, 3e-5)


def alarms(tasks: Sequence[Task], max_pvalues: Sequence[float]) -> list[list[Alarms]]:
    """Return the alarms of each task, for each `max_pvalue`; all in one process."""
    commands = make_environment(ROOT / "data" / "peers" / "otava", REQUIREMENT)
    asked = [task.to_dict() | {"max_pvalue": each} for each in max_pvalues for task in tasks]
    done = subprocess.run(
        [commands / "python", LOOKS],
        input=json.dumps(asked),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        # A thread per core for each of a process per core only slows both down.
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    found = json.loads(done.stdout)
    return [found[begin : begin + len(tasks)] for begin in range(0, len(found), len(tasks))]


def calibrated(trial: Trial, rate: float) -> float:
    """Return the `max_pvalue` for a rate of false alarms per 10,000 runs.

    Such rates are too rare to be counted in minutes. The logarithm of the rate is nearly linear in that of
    `max_pvalue`, so it is extrapolated from greater ones, weighted by the number of alarms.
    """
    counts = alarms(list(trial.tasks()), CALIBRATION)
    rates = np.array([trial.per_10_000(found) for found in counts])
    weights = np.sqrt([sum(map(len, found)) for found in counts])
    known = rates > 0
    line = np.polyfit(np.log(rates[known]), np.log(CALIBRATION)[known], 1, w=weights[known])
    return float(np.exp(np.polyval(line, np.log(rate))))
