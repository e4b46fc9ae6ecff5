import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from llm_measure.client import waiting
from llm_measure.client.waiting import RunQueue, Waiting
from llm_measure.mock_server.behaviour import Behaviour
from llm_measure.mock_server.process import running_mock_server

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="needs schedstat")


@contextmanager
def busy_programs(number: int, processors: set[int]) -> Iterator[None]:
    """Programs that use these processors without a pause."""
    code = f"import os\nos.sched_setaffinity(0, {processors})\nwhile True: pass"
    programs = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(number)]
    try:
        yield
    finally:
        for program in programs:
            program.kill()
            program.wait()


@on_linux
def test_the_wait_for_a_processor_that_another_program_uses_is_counted():
    former = os.sched_getaffinity(0)
    shared = {min(former)}
    os.sched_setaffinity(0, shared)
    try:
        with busy_programs(1, shared):
            waited, until = Waiting(RunQueue()), time.monotonic() + 30
            while waited.seconds < 0.2 and time.monotonic() < until:
                pass
    finally:
        os.sched_setaffinity(0, former)

    assert waited.seconds >= 0.2


def test_where_the_system_counts_no_wait_it_is_by_how_much_ticks_are_late(monkeypatch, tmp_path):
    monkeypatch.setattr(waiting, "SCHEDSTAT", tmp_path / "schedstat")
    waited = Waiting(RunQueue())
    waited.tick(0.01)
    time.sleep(0.06)
    waited.tick(0.01)

    assert waited.seconds >= 0.05


def test_a_system_that_counts_nothing_but_zeros_does_not_count(monkeypatch, tmp_path):
    (tmp_path / "schedstat").write_text("0 0 0\n")
    monkeypatch.setattr(waiting, "SCHEDSTAT", tmp_path / "schedstat")
    waited = Waiting(RunQueue())
    waited.tick(0.0)
    time.sleep(0.05)
    waited.tick(0.0)

    assert waited.seconds >= 0.05


# Says when the level has begun, and then what came out.
MEASURE = """
import json, os, sys
from llm_measure.client.level import measure_level
from llm_measure.endpoints import Endpoint
from llm_measure.workloads import Load, Workload
os.nice(19)
result = measure_level(
    Endpoint(sys.argv[1], "m"), Workload(output_tokens=30), Load(concurrency=4, requests=8),
    processes=int(sys.argv[2]), on_progress=lambda progress: print("begun", flush=True),
)
print(json.dumps([result.invalid_reason, result.client_wait_s / result.duration_s]), flush=True)
"""


@on_linux
@pytest.mark.moments
@pytest.mark.parametrize("processes", [1, 2])
def test_a_client_at_low_priority_among_busy_programs_is_the_limit(processes):
    command = [sys.executable, "-c", MEASURE]
    with (
        running_mock_server(Behaviour(ttft=0.1, itl=0.01)) as url,
        subprocess.Popen([*command, url, str(processes)], stdout=subprocess.PIPE, text=True) as client,
    ):
        assert client.stdout.readline() == "begun\n"
        # Only now, since the start of a program at low priority would take most of the time.
        with busy_programs(4, os.sched_getaffinity(0)):
            found = next(line for line in client.stdout if line != "begun\n")

    reason, waited = json.loads(found)
    assert "for a processor that other programs used" in reason
    assert waited > 0.15
