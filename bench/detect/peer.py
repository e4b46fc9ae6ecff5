"""Apache Otava on the same tasks, in a separate environment."""

import json
import os
import subprocess
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from bench.detect.trials import Alarms, Task, Trial
from bench.environments import make_environment
from webapp.settings import ROOT

REQUIREMENT = "apache-otava==0.8.0"
DEFAULT = 0.001  # its max_pvalue
LOOKS = Path(__file__).with_name("otava_looks.py")
CALIBRATION = (1e-3, 3e-4, 1e-4, 3e-5)  # values of max_pvalue whose alarms can be counted


def alarms(tasks: Sequence[Task], max_pvalue: float) -> list[Alarms]:
    """Return the alarms of each task."""
    commands = make_environment(ROOT / "data" / "peers" / "otava", REQUIREMENT)
    done = subprocess.run(
        [commands / "python", LOOKS],
        input=json.dumps([asdict(task) | {"max_pvalue": max_pvalue} for task in tasks]),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        # Processes use all cores; a thread per core in each of them would only slow them down.
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    return json.loads(done.stdout)


def calibrated(trial: Trial, rate: float) -> float:
    """Return the `max_pvalue` for a rate of false alarms per 10,000 runs.

    Such rates are too rare to be counted in minutes. The logarithm of the rate is nearly linear in that of
    `max_pvalue`, so it is extrapolated from greater ones, weighted by the number of alarms.
    """
    found = [alarms(trial.tasks(), max_pvalue) for max_pvalue in CALIBRATION]
    rates = np.array([trial.per_10_000(each) for each in found])
    known = rates > 0
    line = np.polyfit(np.log(rates[known]), np.log(CALIBRATION)[known], 1, w=np.sqrt(rates[known]))
    return float(np.exp(np.polyval(line, np.log(rate))))
