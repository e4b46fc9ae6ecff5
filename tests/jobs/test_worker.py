"""The functions that the queue names, and the worker that runs them."""

import subprocess
import sys

import pytest

from tests.measured import measurement
from webapp.plan.measurement import Task
from webapp.queue.enqueue import (
    enqueue_maintenance,
    enqueue_measurement,
    enqueue_self_check,
    enqueue_simulation,
)
from webapp.settings import ROOT

PRELOADED = "import sys, jobs.worker; print(*sys.modules)"


@pytest.fixture
def jobs(queue, settings):
    """A job of each kind, as a worker reads it from Redis."""
    enqueue_simulation(queue, settings, 600)
    enqueue_measurement(queue, settings, 600, Task("chat", (measurement(),)))
    enqueue_self_check(queue, settings, 600)
    enqueue_maintenance(queue, settings, 600)
    return queue.jobs


def test_every_function_that_the_queue_names_exists(jobs):
    assert len({job.func_name for job in jobs}) == 4
    for job in jobs:
        assert job.func_name == f"{job.func.__module__}.{job.func.__qualname__}"


def test_the_worker_imports_every_function_before_it_forks(jobs):
    done = subprocess.run(
        [sys.executable, "-c", PRELOADED], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert {job.func_name.rpartition(".")[0] for job in jobs} <= set(done.stdout.split())
