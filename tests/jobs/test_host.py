"""How many measurements run on one machine at the same time."""

import os
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime
from itertools import pairwise

import pytest

from jobs.host import processor, usable_processors
from jobs.lock import BusyError
from jobs.self_check import run_self_check
from jobs.waiting_line import Waiting
from tests.jobs.system import now_slot, until
from tests.support import query
from webapp.plan.benchmark_file import read_benchmark_file
from webapp.plan.measurement import tasks
from webapp.queue.enqueue import enqueue_measurement
from webapp.settings import Settings


def places(settings, redis) -> int:
    """The number of places that can be held at the same time."""
    with ExitStack() as stack:
        for number in range(1000):
            try:
                stack.enter_context(processor(settings, redis))
            except BusyError:
                return number
    raise AssertionError("no limit")


def test_a_machine_has_a_place_per_usable_processor_or_as_many_as_set(settings, redis):
    assert places(settings, redis) == usable_processors()
    assert places(replace(settings, measurements_per_host=3), redis) == 3


def test_machines_do_not_share_places(settings, redis):
    one, other = (replace(settings, measurements_per_host=1, worker_host=name) for name in ("one", "other"))

    with processor(one, redis), processor(other, redis):
        assert (places(one, redis), places(other, redis)) == (0, 0)


def test_a_place_is_free_again_after_an_error(settings, redis):
    single = replace(settings, measurements_per_host=1)

    with pytest.raises(ZeroDivisionError), processor(single, redis):
        raise ZeroDivisionError

    assert places(single, redis) == 1


@pytest.mark.parametrize(
    ("files", "processors"),
    [
        ({"cpu.max": "100000 100000"}, 1),
        ({"cpu.max": "50000 100000"}, 1),
        ({"cpu/cpu.cfs_quota_us": "100000", "cpu/cpu.cfs_period_us": "100000"}, 1),
        ({"cpu.max": "max 100000"}, None),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, None),
        ({"cpu.max": "6400000 100000"}, None),
        ({}, None),
    ],
)
def test_a_containers_limit_counts(tmp_path, files, processors):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"{text}\n")

    assert usable_processors(tmp_path) == (processors or len(os.sched_getaffinity(0)))


@pytest.fixture
def on_one_processor():
    """Restricts this process to one processor."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    yield
    os.sched_setaffinity(0, before)


@pytest.mark.usefixtures("on_one_processor")
def test_the_affinity_of_the_process_counts(tmp_path):
    assert usable_processors(tmp_path) == 1


@pytest.mark.usefixtures("own_environment")
def test_a_self_check_waits_for_a_place_too(settings, redis, monkeypatch, conn):
    monkeypatch.setenv("MEASUREMENTS_PER_HOST", "1")
    with processor(replace(settings, measurements_per_host=1), redis):
        assert isinstance(run_self_check(now_slot()), Waiting)

    assert query(conn, "SELECT FROM self_checks") == []


def test_measurements_of_different_servers_take_turns_on_one_place_and_none_fails(
    processes, conn, queue, environment, mock_servers, declare_llms
):
    servers = {name: mock_servers.start(ttft=0.3, itl=0.001) for name in ("A", "B", "C")}
    declare_llms(servers, "concurrency: 2, output_tokens: 5, requests: 8, warmup: 2, timeout: 5")
    settings = Settings.from_env(environment)
    slot = now_slot()
    for each in tasks(read_benchmark_file(settings)):
        enqueue_measurement(queue, settings, slot, each)

    for _ in servers:
        processes.worker(MEASUREMENTS_PER_HOST="1")

    until(lambda: query(conn, "SELECT FROM runs WHERE finished_at IS NOT NULL HAVING count(*) = 3"), 60)
    runs = query(
        conn,
        "SELECT measurement->>'started_at', (measurement->>'duration_s')::float8, attempts, error"
        " FROM runs ORDER BY 1",
    )
    assert [(attempts, error) for *_, attempts, error in runs] == [(1, None)] * 3
    times = [(datetime.fromisoformat(start).timestamp(), duration) for start, duration, *_ in runs]
    for (start, duration), (next_start, _) in pairwise(times):
        assert start + duration <= next_start
