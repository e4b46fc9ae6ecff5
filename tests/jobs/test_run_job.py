"""Hostile jobs, written straight into Redis: a worker refuses each, imports and calls nothing, works on."""

import json
import os
import pickle
import socket

import pytest
from rq.job import Job

from jobs.run_job import RunJob
from tests.jobs.system import finished_slots, now_slot, until
from webapp.queue.durations import RUN_TIMEOUT
from webapp.queue.enqueue import enqueue_simulation
from webapp.queue.functions import RECORD_MISSED, RUN_MEASUREMENT, RUN_SIMULATION, refusal

OK = json.dumps([RUN_SIMULATION, None, [600], {}])
EVIL = """
import os
from pathlib import Path

Path(os.environ["TOUCHED"]).touch()


def call(*args, **kwargs):
    return None
"""


class Pickled:
    """What runs a command when it is unpickled."""

    def __init__(self, command: str):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


@pytest.fixture
def touched(tmp_path):
    """A file that exists once hostile code has run."""
    return tmp_path / "touched"


@pytest.fixture
def worker(processes, tmp_path, touched):
    """Starts a worker that could import the module `evil`."""
    (tmp_path / "evil.py").write_text(EVIL)
    return lambda: processes.worker(PYTHONPATH=str(tmp_path), TOUCHED=str(touched), MAX_RETRIES="0")


@pytest.fixture
def push(redis, queue):
    """Writes a job's hash into Redis and pushes its id."""

    def push(job_id: str, **fields: object) -> str:
        given = {"status": "queued", "origin": "runs", "timeout": 600, "retries_left": 2}
        redis.hset(f"rq:job:{job_id}", mapping={**given, **fields})
        redis.rpush(queue.key, job_id)
        return job_id

    return push


@pytest.fixture
def works_on(conn, queue, settings):
    """Checks that the worker is the same process, and runs a good job."""

    def check(process) -> None:
        slot = now_slot()
        enqueue_simulation(queue, settings, slot)
        until(lambda: slot in finished_slots(conn))
        assert process.poll() is None

    return check


def call(*parts: object) -> str:
    return json.dumps(list(parts))


def test_a_function_that_is_not_registered_is_refused_logged_and_failed(
    worker, push, works_on, redis, queue, touched
):
    touch = f"touch {touched}"
    refused = [
        push("system", data=call("os.system", None, [touch], {})),
        push("import", data=call("evil.call", None, [], {})),
        push("neighbour", data=call("jobs.missed.Settings.from_env", None, [], {})),
        push("builtin", data=call("exec", None, [f"import os; os.system('{touch}')"], {})),
        push("method", data=call("format", "{0.__class__}", [1], {})),
        push("instance", data=call(RUN_SIMULATION, {"a": 1}, [600], {})),
        push("nothing", data=call(None, None, [], {})),
        push("list", data=call([RUN_SIMULATION], None, [600], {})),
        push("pickle", data=pickle.dumps(("os.system", None, (touch,), {}))),
        push("reduce", data=pickle.dumps(Pickled(touch))),
        push("text", data="not JSON"),
        push("none"),
    ]

    process = worker()
    works_on(process)

    assert not touched.exists()
    assert set(queue.failed_job_registry.get_job_ids()) == set(refused)
    for job_id in refused:
        assert f"job {job_id} refused: " in process.log
        assert redis.hget(f"rq:job:{job_id}", "status") == b"failed"
    assert "job system refused: function='os.system': unknown; expected one of jobs." in process.log


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["600"],
        [600, 1],
        [True],
        [1.5],
        [-1],
        [10**30],
        [None],
        [[600]],
        {"slot": 600},
        "6",
    ],
)
def test_arguments_of_the_wrong_shape_are_refused(push, redis, arguments):
    push("job", data=call(RUN_SIMULATION, None, arguments, {}))

    assert "arguments do not fit; expected int" in refusal(RunJob.fetch("job", connection=redis))


@pytest.mark.parametrize("timeout", [-1, 0, ""])
def test_no_job_is_without_a_timeout(push, redis, timeout):
    push("job", data=OK, timeout=timeout)

    assert RunJob.fetch("job", connection=redis).timeout == RUN_TIMEOUT


def test_keywords_and_endless_strings_are_refused(push, redis):
    push("keywords", data=call(RUN_SIMULATION, None, [600], {"slot": 600}))
    push("long", data=call(RUN_MEASUREMENT, None, ["x" * 1000, "chat@c8", 600], {}))

    for job_id in ("keywords", "long"):
        assert "arguments do not fit" in refusal(RunJob.fetch(job_id, connection=redis))


def test_callbacks_repeats_and_webhooks_of_a_good_job_are_ignored(
    worker, push, works_on, redis, queue, touched
):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        hooks = json.dumps([{"url": url, "job_status": status} for status in ("finished", "failed")])
        extras = {
            "success_callback_name": "evil.call",
            "failure_callback_name": "evil.call",
            "stopped_callback_name": "evil.call",
            "webhooks": hooks,
            "repeats_left": 5,
            "repeat_intervals": "[1]",
            "rate_limit_key": "evil",
            "rate_limit_concurrency": 1,
            "group_id": "evil",
            "dependency_ids": '["system"]',
            "meta": pickle.dumps(Pickled(f"touch {touched}")),
            "result": pickle.dumps(Pickled(f"touch {touched}")),
        }
        push("good", data=OK, **extras)
        push("fails", data=call(RECORD_MISSED, None, ["", "default", 0, 600, 600], {}), **extras)
        push("system", data=call("os.system", None, ["true"], {}), **extras)
        redis.hset("rq:job:fails", "retries_left", 0)
        for job_id in ("good", "fails", "system"):
            redis.sadd(f"rq:job:{job_id}:dependents", "system")

        works_on(worker())

        with pytest.raises(BlockingIOError):
            listener.accept()
    assert not touched.exists()
    assert redis.hget("rq:job:good", "status") == b"finished"
    assert set(queue.failed_job_registry.get_job_ids()) == {"fails", "system"}
    assert queue.scheduled_job_registry.count == 0


def test_what_cannot_be_read_as_a_job_stops_no_worker(worker, push, works_on, redis, queue):
    unreadable = [
        push("status", data=OK, status="nonsense"),
        push("timeout", data=OK, timeout="soon"),
        push("retries", data=OK, retries_left="many"),
        push("delays", data=OK, retry_intervals='["a"]'),
        push("deep", data=OK, retry_intervals="[" * 100_000),
        push("time", data=OK, created_at="yesterday"),
        push("bytes", data=b"\xff\xfe"),
    ]
    redis.rpush(queue.key, "no such job", b"\xff\xfe", "", "a:b")

    process = worker()
    works_on(process)

    assert "quitting" not in process.log
    assert set(queue.failed_job_registry.get_job_ids()) == set(unreadable)
    for job_id in unreadable:
        assert f"job {job_id} refused" in process.log
    until(lambda: redis.llen(queue.intermediate_queue_key) == 0)


def test_hostile_entries_of_registries_stop_no_worker(worker, push, works_on, redis, queue, touched):
    push(
        "abandoned", data=call("os.system", None, [f"touch {touched}"], {}), failure_callback_name="evil.call"
    )
    redis.hset("rq:job:abandoned", "status", "started")
    redis.delete(queue.key)
    redis.zadd("rq:wip:runs", {"abandoned:1": 1, "no such job": 1, b"\xff": 1, "a:b:c": 1})
    redis.zadd("rq:scheduled:runs", {"abandoned": 1, "unknown": 1, b"\xff": 1})
    redis.rpush(queue.intermediate_queue_key, b"\xff", "x:y", "unknown")
    redis.sadd(f"{Job.dependents_key_for('abandoned')}", "other")

    process = worker()
    until(lambda: redis.zcard("rq:wip:runs") == 0)
    works_on(process)

    assert not touched.exists()
    assert redis.zcard("rq:scheduled:runs") == 0
    until(lambda: redis.llen(queue.intermediate_queue_key) == 0)


def test_commands_published_in_redis_do_not_stop_a_worker(worker, works_on, redis):
    process = worker()
    works_on(process)

    for key in redis.keys("rq:worker:*"):
        name = key.decode().removeprefix("rq:worker:")
        redis.publish(f"rq:pubsub:{name}", json.dumps({"command": "shutdown"}))

    works_on(process)
