"""The processes of the system, run by one supervisor that leaves none of them behind."""

import logging
import os
import shlex
import signal
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress

import psutil
from honcho.manager import Manager

from webapp.plan.measurement import Measurement
from webapp.settings import ROOT

logger = logging.getLogger(__name__)

COMMANDS = {
    "api": [sys.executable, "-m", "webapp.serve"],
    "scheduler": [sys.executable, "-m", "jobs.scheduler"],
    "worker": [sys.executable, "-m", "jobs.worker"],
}
MOST_WORKERS = 4
MOST_SHARING_WORKERS = 16  # of one level
WATCH_SECONDS = 0.5
# Set for every process of a supervisor, to its folder, so that a later supervisor recognizes them.
SUPERVISED = "LLM_BENCHMARK_SUPERVISED"


def supervise(
    names: Sequence[str], measurements: Sequence[Measurement], scheduler_options: Sequence[str] = ()
) -> int:
    """Run the named processes with prefixed logs until one exits or a signal comes; then stop all.

    Returns the exit code: 0 after a signal.
    """
    manager = Manager()
    # Two processes cannot share METRICS_PORT.
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", SUPERVISED: str(ROOT), "METRICS_PORT": ""}
    for label, command in commands(names, worker_count(measurements), scheduler_options).items():
        manager.add_process(label, f"exec {shlex.join(command)}", env=environment, cwd=str(ROOT))
    tree = ProcessTree()
    try:
        manager.loop()
    finally:
        tree.kill()
    if manager.returncode in (128 + signal.SIGINT, 128 + signal.SIGTERM):
        return 0
    logger.info("one of %s exited with code %s; stopped all", ", ".join(names), manager.returncode)
    return manager.returncode or 1


def commands(names: Sequence[str], workers: int, scheduler_options: Sequence[str]) -> dict[str, list[str]]:
    """Return the command of each process by its label: worker.1, worker.2 if there are several workers."""
    labelled = {}
    for name in names:
        options = scheduler_options if name == "scheduler" else ()
        copies = workers if name == "worker" else 1
        for number in range(1, copies + 1):
            labelled[f"{name}.{number}" if copies > 1 else name] = [*COMMANDS[name], *options]
    return labelled


def worker_count(measurements: Sequence[Measurement]) -> int:
    """Return 1, plus 1 for each measured server, so that a slow server does not delay the others' runs.

    A level with shards needs that number of workers at the same time.
    """
    shards = max((measurement.shards for measurement in measurements), default=1)
    servers = len({measurement.server for measurement in measurements})
    return max(min(1 + servers, MOST_WORKERS), min(shards, MOST_SHARING_WORKERS))


class ProcessTree:
    """All descendants of this process, including those that a killed worker has orphaned."""

    def __init__(self) -> None:
        self._seen: set[psutil.Process] = set()
        self._done = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()

    def kill(self) -> None:
        """Kill every process that is still alive, and stop watching."""
        self._done.set()
        self._watcher.join()
        for process in self._seen:
            if process.is_running():
                process.kill()

    def _watch(self) -> None:
        while not self._done.wait(WATCH_SECONDS):
            self._seen = {process for process in self._seen if process.is_running()}
            self._seen.update(psutil.Process().children(recursive=True))
            for process in self._seen:
                _kill_orphans_of(process)


def _kill_orphans_of(process: psutil.Process) -> None:
    """Kill the process group of a dead process; Honcho would wait for the group and not notice the death."""
    with suppress(psutil.Error, ProcessLookupError):
        if process.status() == psutil.STATUS_ZOMBIE:
            os.killpg(process.pid, signal.SIGKILL)
