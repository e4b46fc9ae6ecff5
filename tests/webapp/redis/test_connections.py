"""A server that has become a replica is left, by those who only read, too, and so is one that is silent."""

import time
from contextlib import closing
from dataclasses import replace

import pytest
from redis.exceptions import TimeoutError

from bench.faults.proxy import Proxy, running_loop
from jobs.embedded.binaries import redis_server
from tests.redis_servers import RedisServer, force_failover, is_primary, replicated, running, sentinel
from tests.tools import find, needs
from tests.web import answered, free_port, show_run, wait_until
from tests.webapp.conftest import with_key
from webapp.generation import HINT, PROCESS_SECONDS
from webapp.redis import ReplicaError, cache_redis, queue_redis
from webapp.redis.connections import ASK_SECONDS

SERVERS = ["", *(pytest.param(name, marks=needs(name)) for name in ("redis-server", "valkey-server"))]
WRITE = "return redis.call('SET', KEYS[1], 1)"


@pytest.fixture(params=SERVERS)
def pair(place, request):
    server = find(request.param) if request.param else str(redis_server())
    with replicated(place, server) as both:
        yield both


@pytest.fixture
def proxy(pair):
    return Proxy(running_loop(), pair[0].socket)


@pytest.fixture
def behind(settings, proxy):
    """The settings of a name that leads to the primary."""
    return replace(settings, redis_host="127.0.0.1", redis_port=proxy.port)


def fail_over(pair, proxy) -> None:
    """Promote the replica; the former primary keeps its data and clients, and cannot reach the new one."""
    first, second = pair
    proxy.forward_to(second.socket)
    first.client().replicaof("127.0.0.1", free_port())
    second.client().replicaof("NO", "ONE")


def test_the_queues_client_continues_on_the_new_primary(pair, proxy, behind):
    with closing(queue_redis(behind)) as client:
        client.set("a", 1)
        fail_over(pair, proxy)

        client.set("a", 2)
    assert pair[1].client().get("a") == b"2"


@pytest.mark.parametrize("command", [("SET", "a", 2), ("EVAL", WRITE, 1, "a")], ids=["command", "script"])
def test_the_caches_client_fails_once_and_then_finds_the_new_primary(pair, proxy, behind, command):
    with closing(cache_redis(behind)) as client:
        client.set("a", 1)
        fail_over(pair, proxy)

        with pytest.raises(ReplicaError):
            client.execute_command(*command)
        client.execute_command(*command)
    assert pair[1].client().get("a") in (b"1", b"2")


def test_a_cached_response_of_the_former_primary_is_not_served(pair, proxy, behind, make_app):
    app = make_app(redis_host="127.0.0.1", redis_port=proxy.port)
    client = with_key(app)
    with closing(cache_redis(behind)) as redis:
        show_run(behind, redis, 1)
    # The response is cached, and remains so for more than a second.
    wait_until(lambda: answered(client) and relies_on_the_hint(app), 15)
    wait_until(lambda: answered(client) and pair[0].client().pttl(HINT) > 1500)
    former = answered(client)
    fail_over(pair, proxy)

    with closing(cache_redis(behind)) as redis:
        show_run(behind, redis, 2)

    assert answered(client)[0] > former[0]
    wait_until(lambda: answered(client) and pair[1].client().pttl(HINT) > 0, 15)


@needs("redis-sentinel")
def test_cached_responses_are_read_from_the_sentinels_primary(place, settings, make_app):
    with replicated(place, find("redis-server")) as (first, second):
        watcher = sentinel(place / "sentinel", first.port, find("redis-sentinel"), "word")
        there = {
            "redis_sentinels": (("127.0.0.1", watcher.port),),
            "redis_sentinel_password": "word",
            "redis_host": "",
        }
        app = make_app(**there)
        client = with_key(app)
        with running(watcher):
            with closing(cache_redis(replace(settings, **there))) as redis:
                show_run(settings, redis, 1)
            wait_until(lambda: answered(client) and relies_on_the_hint(app), 15)

            force_failover(watcher)
            wait_until(lambda: is_primary(second), 15)
            first.stop()
            time.sleep(PROCESS_SECONDS)
            wait_until(lambda: answered(client) and relies_on_the_hint(app), 15)


@needs("redis-sentinel")
def test_a_former_primary_that_still_accepts_writes_is_left(place, settings):
    with replicated(place, find("redis-server")) as (first, second):
        watcher = sentinel(place / "sentinel", first.port, find("redis-sentinel"), "word")
        there = replace(
            settings, redis_sentinels=(("127.0.0.1", watcher.port),), redis_sentinel_password="word"
        )
        with running(watcher), closing(queue_redis(there)) as client:
            client.set("a", 1)
            force_failover(watcher)
            wait_until(lambda: watcher.client().sentinel_masters()["mymaster"]["port"] == second.port, 15)
            assert is_primary(first)

            wait_until(lambda: client.set("a", 2) and second.client().get("a") == b"2", ASK_SECONDS + 1)


def relies_on_the_hint(app) -> bool:
    return time.monotonic() < app.extensions["answers"]._relied_on[0]


@needs("redis-sentinel")
def test_a_late_response_is_not_taken_for_the_next_one(place, settings):
    server = RedisServer(place / "server", f"unixsocket {place / 's'}", program=find("redis-server"))
    proxy = Proxy(running_loop(), str(place / "s"))
    watcher = sentinel(place / "sentinel", proxy.port, find("redis-sentinel"), "word")
    there = replace(settings, redis_sentinels=(("127.0.0.1", watcher.port),), redis_sentinel_password="word")
    with running(server, watcher), closing(queue_redis(there)) as client:
        client.mset({"a": 1, "b": 2})
        proxy.set_mode("silent")
        with pytest.raises(TimeoutError):
            client.get("a")
        proxy.set_mode("open")

        assert client.get("b") == b"2"
