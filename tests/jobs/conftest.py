"""Processes of a test, and the queue that they share."""

import pytest

from tests.jobs.system import POINTS, Processes
from webapp.queue import runs_queue


@pytest.fixture
def environment(environment):
    return {**environment, "POINTS_PER_RUN": str(POINTS)}


@pytest.fixture
def processes(environment):
    """Starts processes that use this test's servers."""
    started = Processes(environment)
    yield started
    started.kill_all()


@pytest.fixture
def queue(redis):
    return runs_queue(redis)
