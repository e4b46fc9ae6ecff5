"""Jobs that wait for a server or a processor: who is called, when, and what no death of a process loses."""

import os
import signal
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import uuid4

import pytest

from jobs.host import processor
from jobs.lock import renewed_lock
from jobs.waiting_line import WaitingLine
from tests.jobs.system import now_slot, until
from tests.measured import measurement
from tests.support import query
from webapp.plan.benchmark_file import read_benchmark_file
from webapp.plan.measurement import Task, tasks
from webapp.queue.enqueue import enqueue_measurement, enqueue_shards
from webapp.queue.json_job import JSONJob
from webapp.queue.queues import WAITING_LINE, runs_queue
from webapp.queue.statuses import unfinished, waits_untried
from webapp.redis import queue_redis
from webapp.settings import Settings

SERVERS = ("a:80", "b:80")
FEW = "output_tokens: 2, requests: 2, timeout: 5"


@pytest.fixture
def line(settings, redis):
    return WaitingLine(replace(settings, measurements_per_host=2), redis)


@pytest.fixture
def wait(redis, queue, settings, line):
    """Lets jobs wait for a server, each enqueued a second after the one before; returns their ids."""

    def wait(*servers: str) -> list[str]:
        job_ids = []
        for number, server in enumerate(servers):
            enqueue_measurement(queue, settings, 600 * number, Task("chat", (measurement(),)))
            job = queue.jobs[-1]
            job.enqueued_at = datetime(2026, 11, 26, tzinfo=UTC) + timedelta(seconds=number)
            with redis.pipeline() as pipeline:
                line.join(job, server, pipeline)
                pipeline.execute()
            job_ids.append(job.id)
        redis.delete(queue.key)
        return job_ids

    return wait


def status(redis, job_id: str) -> str:
    return redis.hget(JSONJob.key_for(job_id), "status").decode()


class TestTheLine:
    def test_a_shard_is_called_before_all_jobs_that_came_earlier(self, redis, queue, settings, line, wait):
        wait("a:80")
        enqueue_shards(queue, settings, measurement(shards=2), 600, uuid4())
        (shard,) = queue.jobs
        with redis.pipeline() as pipeline:
            line.join(shard, "", pipeline)
            pipeline.execute()
        redis.delete(queue.key)

        with processor(replace(settings, measurements_per_host=2), redis):
            line.call_next()

        assert queue.job_ids == [shard.id]

    def test_calls_the_first_of_each_server_once(self, line, wait, queue, redis):
        first, second, other = wait("a:80", "a:80", "b:80")

        for _ in range(3):
            line.call_next()

        assert sorted(queue.job_ids) == sorted([first, other])
        assert [status(redis, job_id) for job_id in (first, second)] == ["queued", "deferred"]

    def test_calls_nobody_while_the_server_is_held(self, line, wait, queue, redis):
        wait("a:80")

        with renewed_lock(redis, "endpoint-a:80"):
            line.call_next()
            assert queue.job_ids == []
        line.call_next()

        assert len(queue.job_ids) == 1

    def test_calls_nobody_while_all_processors_of_the_machine_are_held(
        self, line, wait, queue, redis, settings
    ):
        wait("a:80")

        with ExitStack() as held:
            for _ in range(2):
                held.enter_context(processor(replace(settings, measurements_per_host=2), redis))
            line.call_next()
            assert queue.job_ids == []
        line.call_next()

        assert len(queue.job_ids) == 1

    def test_calls_before_all_that_were_enqueued_later(self, line, wait, queue):
        (waiting,) = wait("a:80")
        queue.push_job_id("later")

        line.call_next()

        assert queue.get_job_ids() == [waiting, "later"]

    def test_lets_nobody_who_comes_later_pass(self, line, wait, queue, redis):
        first, second, other = wait("a:80", "a:80", "b:80")
        jobs = {job_id: JSONJob.fetch(job_id, redis) for job_id in (first, second, other)}
        for number, job in enumerate(jobs.values()):
            job.enqueued_at = datetime(2026, 11, 26, tzinfo=UTC) + timedelta(seconds=number)
        line.call_next()

        assert line.is_turn_of(jobs[first], "a:80")
        assert not line.is_turn_of(jobs[second], "a:80")
        assert line.is_turn_of(jobs[other], "b:80")
        line.leave(jobs[first])
        assert line.is_turn_of(jobs[second], "a:80")

    @pytest.mark.parametrize("end", ["failed", "finished", "scheduled", "canceled", None])
    def test_continues_without_a_job_that_has_ended_failed_or_is_gone(self, line, wait, queue, redis, end):
        first, second = wait("a:80", "a:80")
        key = JSONJob.key_for(first)
        redis.hset(key, "status", end) if end else redis.delete(key)

        line.call_next()

        assert queue.job_ids == [second]
        assert redis.zrange(WAITING_LINE, 0, -1) == [second.encode()]

    def test_calls_again_whom_the_queue_has_lost(self, line, wait, queue, redis):
        first, _ = wait("a:80", "a:80")
        line.call_next()
        redis.delete(queue.key)

        line.call_next()

        assert queue.job_ids == [first]

    def test_does_not_call_again_whom_a_worker_has_just_taken(self, line, wait, queue, redis):
        wait("a:80")
        line.call_next()
        redis.lmove(queue.key, queue.intermediate_queue_key, "LEFT", "RIGHT")

        line.call_next()

        assert queue.job_ids == []

    def test_is_part_of_the_backlog(self, wait, redis, settings):
        waiting = wait("a:80")

        assert waits_untried(redis, settings, waiting) == [True]
        assert unfinished(redis, waiting) == [True]


def test_the_line_outlives_a_restart_of_redis(own_redis, environment):
    settings = Settings.from_env(environment)
    redis = queue_redis(settings)
    enqueue_measurement(runs_queue(redis), settings, 600, Task("chat", (measurement(),)))
    (job,) = runs_queue(redis).jobs
    with redis.pipeline() as pipeline:
        WaitingLine(settings, redis).join(job, "a:80", pipeline)
        pipeline.lrem(runs_queue(redis).key, 1, job.id)
        pipeline.execute()

    own_redis.stop()
    own_redis.start()

    redis = queue_redis(settings)
    WaitingLine(settings, redis).call_next()
    assert runs_queue(redis).job_ids == [job.id]


def started(conn) -> list[tuple]:
    return query(
        conn,
        "SELECT measurement->>'started_at', (measurement->>'duration_s')::float8, llms.name, attempts, error"
        " FROM runs JOIN llms ON llms.id = llm_id WHERE finished_at IS NOT NULL ORDER BY 1",
    )


@pytest.fixture
def enqueue(environment, queue):
    """Enqueues the jobs of the benchmark file for one slot; returns their ids."""

    def enqueue() -> list[str]:
        settings, slot = Settings.from_env(environment), now_slot()
        for task in tasks(read_benchmark_file(settings)):
            enqueue_measurement(queue, settings, slot, task)
        return queue.job_ids

    return enqueue


def is_waiting(redis, number: int) -> bool:
    return redis.zcard(WAITING_LINE) == number


def test_jobs_of_a_server_take_turns_without_tries_or_lines_in_the_log(
    processes, conn, redis, mock_servers, declare_llms, enqueue
):
    url = mock_servers.start(ttft=0.5, itl=0.001)
    declare_llms(dict.fromkeys("ABC", url), f"concurrency: 1, {FEW}")
    job_ids = enqueue()

    # Of jobs that are taken at the same moment, any may be the first.
    workers = [processes.worker()]
    until(lambda: query(conn, "SELECT FROM runs WHERE status = 'running'"))
    workers += [processes.worker() for _ in range(2)]

    runs = until(lambda: len(found := started(conn)) == 3 and found, 60)
    assert [row[2:] for row in runs] == [(name, 1, None) for name in "ABC"]
    moments = [(datetime.fromisoformat(start).timestamp(), duration) for start, duration, *_ in runs]
    for (start, duration), (next_start, _) in pairwise(moments):
        assert start + duration <= next_start
    until(lambda: [status(redis, job_id) for job_id in job_ids] == ["finished"] * 3)
    jobs = [JSONJob.fetch(job_id, redis) for job_id in job_ids]
    assert [(job.number_of_retries, job.retries_left) for job in jobs] == [(None, 2)] * 3
    assert is_waiting(redis, 0)
    log = "".join(worker.log for worker in workers)
    assert not [word for word in ("busy", "retr", "wait", "held by") if word in log.lower()], log


def test_the_next_is_called_when_worker_and_holder_are_killed(
    processes, conn, redis, mock_servers, declare_llms, enqueue
):
    slow = mock_servers.start(ttft=60, itl=0)
    declare_llms({"Stuck": slow, "Next": slow}, f"concurrency: 1, {FEW.replace('5', '300')}")
    enqueue()
    workers = [processes.worker()]
    until(lambda: query(conn, "SELECT FROM runs WHERE status = 'running'"))
    workers.append(processes.worker())
    until(lambda: is_waiting(redis, 1))

    work_horse = processes.work_horse(workers[0])
    os.killpg(workers[0].pid, signal.SIGKILL)
    work_horse.kill()

    running = "SELECT FROM runs JOIN llms ON llms.id = llm_id WHERE name = 'Next' AND status = 'running'"
    until(lambda: query(conn, running), 30)


def test_a_job_whose_worker_dies_after_it_was_called_still_runs_once(
    processes, conn, redis, queue, mock_servers, declare_llms, enqueue
):
    declare_llms({"Called": mock_servers.start(ttft=0.01, itl=0)}, f"concurrency: 1, {FEW}")
    (job_id,) = enqueue()
    (server,) = {task.server for task in tasks(read_benchmark_file(Settings.from_env(processes.environment)))}
    with renewed_lock(redis, f"endpoint-{server}"):
        worker = processes.worker()
        until(lambda: status(redis, job_id) == "deferred")
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()
    settings = Settings.from_env(processes.environment)
    WaitingLine(settings, redis).call_next()  # as that worker would, and then it takes the job and dies
    redis.lmove(queue.key, queue.intermediate_queue_key, "LEFT", "RIGHT")

    processes.worker()

    (run,) = until(lambda: started(conn), 30)
    assert run[2:] == ("Called", 1, None)
