"""Another server becomes the primary: scheduler, worker and API find it, and the API answers meanwhile."""

from contextlib import contextmanager

import pytest

from bench.faults.proxy import Proxy, running_loop
from jobs.embedded.binaries import redis_server
from tests.jobs.system import assert_answer_is_right, finished_slots, until
from tests.redis_servers import force_failover, is_primary, replicated, running, sentinel
from tests.tools import find, needs
from tests.web import free_port
from tests.webapp.conftest import with_key
from webapp.settings import Settings

SECONDS = 3  # between slots


@pytest.fixture
def environment(environment):
    return {**environment, "SCHEDULE_INTERVAL": str(SECONDS / 60)}


@contextmanager
def working(processes, make_app, conn, **redis: str):
    """Yield a check, after a first one: scheduler and worker run new slots, and the API answers meanwhile."""
    processes.environment.update(redis)
    client = with_key(make_app(**vars(Settings.from_env(processes.environment))))
    scheduler, worker = processes.scheduler("--run-now"), processes.worker()

    def check() -> None:
        before = len(finished_slots(conn))
        until(lambda: answers(client) and len(finished_slots(conn)) >= before + 2)
        until(lambda: answers(client) and client.get("/readyz").json["status"] == "ok")
        assert (scheduler.poll(), worker.poll()) == (None, None)

    until(lambda: finished_slots(conn))
    check()
    yield check
    for process in (scheduler, worker):  # the worker finishes its run
        process.terminate()
        process.wait()
    assert_answer_is_right(client, conn)


def answers(client) -> bool:
    assert client.get("/api/v1/benchmarks/rankings").status_code == 200
    return True


@pytest.mark.parametrize("server", ["", pytest.param("redis-server", marks=needs("redis-server"))])
def test_a_name_that_leads_to_another_primary_is_followed(processes, make_app, conn, place, server):
    with replicated(place, (server and find(server)) or str(redis_server())) as (first, second):
        proxy = Proxy(running_loop(), first.socket)
        address = {"REDIS_HOST": "127.0.0.1", "REDIS_PORT": str(proxy.port)}
        with working(processes, make_app, conn, **address) as check:
            # The clients of the former primary stay connected to it.
            proxy.forward_to(second.socket)
            second.client().replicaof("NO", "ONE")
            first.client().replicaof("127.0.0.1", second.port)
            check()


@needs("redis-sentinel")
@pytest.mark.parametrize("is_forced", [True, False], ids=["forced", "killed"])
def test_the_sentinels_new_primary_is_followed(processes, make_app, conn, place, is_forced):
    with replicated(place, find("redis-server"), "word") as (first, second):
        watcher = sentinel(
            place / "sentinel", first.port, find("redis-sentinel"), "watchword",
            "sentinel auth-pass mymaster word",
        )  # fmt: skip
        with running(watcher):
            settings = {
                "REDIS_SENTINELS": f"127.0.0.1:{free_port()}, 127.0.0.1:{watcher.port}",
                "REDIS_SENTINEL_PASSWORD": watcher.password,
                "REDIS_HOST": "",
                "REDIS_PASSWORD": first.password,
            }
            with working(processes, make_app, conn, **settings) as check:
                if is_forced:
                    force_failover(watcher)
                else:
                    first.stop()
                until(lambda: is_primary(second))
                check()
