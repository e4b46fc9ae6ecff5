"""The processes of the system, run by one supervisor that leaves none of them behind."""

import logging
import os
import shlex
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
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
    names: Sequence[str],
    measurements: Sequence[Measurement],
    regions: Sequence[str | None],
    scheduler_options: Sequence[str] = (),
) -> int:
    """Run the named processes with prefixed logs until one exits or a signal comes; then stop all.

    Workers run for each of the regions, of which None is no region. Returns the exit code: 0 after a signal.
    """
    manager = Manager()
    # Two processes cannot share METRICS_PORT.
    shared = {**os.environ, "PYTHONUNBUFFERED": "1", SUPERVISED: str(ROOT), "METRICS_PORT": ""}
    workers = {region: worker_count(measurements, region) for region in regions}
    for label, (command, own) in commands(names, workers, scheduler_options).items():
        manager.add_process(label, f"exec {shlex.join(command)}", env={**shared, **own}, cwd=str(ROOT))
    tree = ProcessTree()
    try:
        manager.loop()
    finally:
        tree.kill()
    if manager.returncode in (128 + signal.SIGINT, 128 + signal.SIGTERM):
        return 0
    logger.info("one of %s exited with code %s; stopped all", ", ".join(names), manager.returncode)
    return manager.returncode or 1


def commands(
    names: Sequence[str], workers: Mapping[str | None, int], scheduler_options: Sequence[str]
) -> dict[str, tuple[list[str], dict[str, str]]]:
    """Return the command and the variables of each process by its label.

    Labels are worker.1, worker.2 if there are several workers, and worker-eu for one of the region eu.
    """
    labelled: dict[str, tuple[list[str], dict[str, str]]] = {}
    for name in names:
        if name != "worker":
            options = scheduler_options if name == "scheduler" else ()
            labelled[name] = ([*COMMANDS[name], *options], {})
            continue
        for region, copies in workers.items():
            label = f"{name}-{region}" if region else name
            for number in range(1, copies + 1):
                numbered = f"{label}.{number}" if copies > 1 else label
                labelled[numbered] = (COMMANDS[name], {"REGION": region or ""})
    return labelled


def worker_count(measurements: Sequence[Measurement], region: str | None = None) -> int:
    """Return how many workers a region, or none in particular, needs.

    That is 1 for each server measured from there, so that a slow one does not delay the others' runs, and
    without a region 1 in addition, for the simulation. A level with shards needs that number of workers at
    the same time.
    """
    planned = [measurement for measurement in measurements if measurement.region == region]
    servers = {measurement.server for measurement in planned}
    shards = max((measurement.shards for measurement in planned), default=1)
    usual = min(max(1, len(servers) + (region is None)), MOST_WORKERS)
    return max(usual, min(shards, MOST_SHARING_WORKERS))


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
