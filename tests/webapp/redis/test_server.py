"""Servers that may evict jobs, or are too old, are named; one that does not say is taken for fit."""

import logging

import pytest
from redis import Redis

from tests.redis_servers import RedisServer, running
from webapp.redis import server
from webapp.redis.server import server_fault, warn_of_fault


@pytest.fixture(scope="module")
def running_server(folder):
    started = RedisServer(folder / "server-fault", "user silent on nopass ~* +@all -info", "maxmemory 100mb")
    with running(started):
        yield started


@pytest.fixture
def redis(running_server):
    client = running_server.client()
    client.config_set("maxmemory-policy", "noeviction")
    return client


def test_a_server_that_evicts_nothing_is_fit(redis, caplog):
    assert server_fault(redis) is None
    warn_of_fault(redis)
    assert caplog.records == []


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl", "volatile-lru"])
def test_a_policy_that_evicts_is_named_and_logged(redis, caplog, policy):
    redis.config_set("maxmemory-policy", policy)

    fault = f"maxmemory-policy {policy} may evict jobs; expected noeviction"
    assert server_fault(redis) == fault
    warn_of_fault(redis)
    assert caplog.record_tuples == [("webapp.redis.server", logging.WARNING, f"redis: {fault}")]


def test_an_old_server_is_named(redis, monkeypatch):
    monkeypatch.setattr(server, "OLDEST_VERSION", (99, 0))

    version = redis.info("server")["redis_version"]
    assert server_fault(redis) == f"version {version}; expected Redis 6.2 or newer, or Valkey"


def test_a_user_who_may_not_ask_is_not_refused(running_server, redis):
    redis.config_set("maxmemory-policy", "allkeys-lru")

    assert server_fault(Redis(port=running_server.port, username="silent", password="any")) is None
