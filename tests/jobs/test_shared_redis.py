"""A Redis that others use, too: with REDIS_PREFIX or REDIS_DB, nothing of theirs is seen or touched."""

import os
import signal
import time
from base64 import b64encode
from contextlib import closing
from dataclasses import asdict, replace

import pytest
from rq import Worker

from jobs.scheduler import SlotScheduler
from tests.jobs.system import Blocker, finished_slots, now_slot, someone_waits_for_a_lock, until
from tests.redis_servers import RedisServer, keys_of, running, traced
from tests.support import KEY
from webapp.queue.enqueue import enqueue_simulation
from webapp.queue.queues import runs_queue
from webapp.redis import queue_redis

PREFIX = "llmb-1:"
RANKINGS = "/api/v1/benchmarks/rankings"
# The user may do nothing that managed servers forbid, and reach no key or channel but those with the prefix.
USER = f"user bench on >word ~{PREFIX}* resetchannels &{PREFIX}* +@all -@dangerous -@admin"
AT_COPY = "LOCK TABLE points IN SHARE MODE"
RQ_PAGES = (
    "/rq/",
    "/rq/0/view/workers",
    "/rq/0/data/queues.json",
    "/rq/0/data/workers.json",
    "/rq/0/data/jobs/runs/queued/8/asc/1.json",
    "/rq/0/data/jobs/runs/finished/8/asc/1.json",
    "/rq/0/data/jobs/runs/failed/8/asc/1.json",
)


@pytest.fixture
def shared(folder, counter):
    """A server with a user who is bound to the prefix; the default user sees everything."""
    server = RedisServer(folder / f"shared-{next(counter)}", USER)
    with running(server):
        yield server


@pytest.fixture
def environment(environment, shared):
    return {
        **environment,
        **shared.environment,
        "REDIS_USER": "bench",
        "REDIS_PASSWORD": "word",
        "REDIS_PREFIX": PREFIX,
        "MAX_RETRIES": "1",
    }


def test_every_key_of_a_whole_life_begins_with_the_prefix(processes, settings, conn, client, queue, shared):
    observer = shared.client()
    with traced(shared.client()) as commands:
        use_the_api(client)
        second = int(time.time())
        until(lambda: time.time() >= second + 1)  # else the scheduler's run is the one on demand
        processes.scheduler("--run-now")
        survive_deaths(processes, settings, conn)
        use_the_api(client)
        use_the_dashboard(client, fail_a_job(queue))
    kept = {key.decode() for key in observer.scan_iter()}
    used = {key for words in commands for key in keys_of(observer, words)}

    assert len(kept) > 10
    assert len(used) > 2 * len(kept)
    assert {key for key in kept | used if not key.startswith(PREFIX)} == set()
    assert {entry["reason"] for entry in observer.acl_log()} <= {"command"}  # none is a key or a channel


def use_the_api(client) -> None:
    client.get(RANKINGS)
    client.get(RANKINGS)
    client.get(RANKINGS, headers={"x-api-key": "wrong"})
    for path in ("/readyz", "/metrics"):
        assert client.get(path).status_code == 200
    assert client.post("/api/v1/benchmarks/runs").status_code == 202


def survive_deaths(processes, settings, conn) -> None:
    """Let a run lose its process, and another one its worker; another worker finishes both."""
    with Blocker(settings, AT_COPY):
        worker = processes.worker()
        until(lambda: someone_waits_for_a_lock(conn))
        first = processes.work_horse(worker)
        first.kill()
        until(lambda: not first.is_running())
        second = processes.work_horse(worker)
        os.killpg(worker.pid, signal.SIGKILL)
        second.kill()
    processes.worker()
    until(lambda: len(finished_slots(conn)) == 2)


def fail_a_job(queue) -> str:
    """Return the id of a job that the worker has refused."""
    queue.enqueue_call("os.system", args=("true",), job_id="refused")
    until(lambda: queue.failed_job_registry.get_job_ids() == ["refused"])
    return "refused"


def use_the_dashboard(client, failed_job: str) -> None:
    for page in (*RQ_PAGES, f"/rq/0/view/job/{failed_job}", f"/rq/0/data/job/{failed_job}.json"):
        visit(client, page)
    origin = {"Origin": "http://localhost"}
    for change in (f"/rq/job/{failed_job}/requeue", "/rq/requeue/runs", "/rq/queue/runs/compact"):
        assert client.post(change, headers=origin).status_code in (200, 404), change


def visit(client, page: str):
    client.environ_base["HTTP_AUTHORIZATION"] = "Basic " + b64encode(f"x:{KEY}".encode()).decode()
    response = client.get(page)
    assert response.status_code == 200, page
    return response


@pytest.mark.parametrize("apart", [{"redis_prefix": "llmb-2:"}, {"redis_db": 1}], ids=["prefix", "database"])
def test_two_installations_on_one_redis_do_not_see_each_other(
    processes, make_app, settings, conn, shared, apart
):
    ours = replace(settings, redis_user="", redis_password="", redis_prefix="")
    theirs = replace(ours, **apart)
    with closing(queue_redis(ours)) as of_ours, closing(queue_redis(theirs)) as of_theirs:
        enqueue_simulation(runs_queue(of_ours), ours, now_slot())
        SlotScheduler(of_theirs, theirs).run_now()
        before = of_theirs.zrange(SlotScheduler.scheduled_jobs_key, 0, -1, withscores=True)
        processes.scheduler(REDIS_USER="", REDIS_PASSWORD="", REDIS_PREFIX="", SCHEDULE_INTERVAL="60")
        processes.worker(REDIS_USER="", REDIS_PASSWORD="", REDIS_PREFIX="")
        until(lambda: finished_slots(conn) and runs_queue(of_ours).count == 0)

        assert runs_queue(of_theirs).count == 1
        assert of_theirs.zrange(SlotScheduler.scheduled_jobs_key, 0, -1, withscores=True) == before
        assert (len(Worker.all(of_ours)), len(Worker.all(of_theirs))) == (1, 0)

    workers = [visit(make_app_client(make_app, each), "/rq/0/data/workers.json") for each in (ours, theirs)]
    assert [len(each.json["workers"]) for each in workers] == [1, 0]
    queued = visit(make_app_client(make_app, theirs), "/rq/0/data/jobs/runs/queued/8/asc/1.json")
    assert len(queued.json["jobs"]) == 1


def make_app_client(make_app, settings):
    return make_app(**asdict(settings)).test_client()
