"""Published runs, and servers that a test may stop."""

import itertools
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from redis import Redis, RedisError

from jobs.embedded import NO_RETRY, EmbeddedPostgres, EmbeddedRedis
from tests.conftest import FAST
from tests.plain_role import create_database, plain
from tests.support import KEY, run_sql
from tests.web import Server, serving, show_run, wait_until
from webapp.redis import queue_redis
from webapp.settings import Settings


@pytest.fixture
def without_database(server_environment: dict[str, str]) -> dict[str, str]:
    """An environment without a migrated database, which takes most of the time of a test without queries."""
    with closing(queue_redis(Settings.from_env(server_environment))) as client:
        client.flushall()
    return server_environment


@pytest.fixture
def show_next_run(settings: Settings, redis: Redis) -> Callable[[], None]:
    """Stores and publishes one more run, as a worker does."""
    numbers = itertools.count(1)
    return lambda: show_run(settings, redis, next(numbers))


class QuickRedis(EmbeddedRedis):
    """A Redis that stops faster, without the parent class's waits."""

    def stop(self) -> None:
        with suppress(RedisError), Redis(unix_socket_path=str(self.socket), retry=NO_RETRY) as client:
            client.shutdown()
        wait_until(lambda: not self.is_running())


@pytest.fixture
def own_redis(folder: Path) -> Iterator[EmbeddedRedis]:
    """A separate Redis, which the test may stop or hang."""
    server = QuickRedis(folder / "own-redis")
    server.start()
    with closing(Redis(unix_socket_path=str(server.socket))) as client:
        client.flushall()
    yield server
    server.stop()


@pytest.fixture
def hang(own_redis: EmbeddedRedis) -> Iterator[Callable[..., None]]:
    """Makes the separate Redis hang, with open connections; False makes it continue."""
    with closing(Redis(unix_socket_path=str(own_redis.socket))) as client:
        pid = client.info()["process_id"]
    yield lambda hanging=True: os.kill(pid, signal.SIGSTOP if hanging else signal.SIGCONT)
    os.kill(pid, signal.SIGCONT)


@pytest.fixture
def own_app(make_app: Callable[..., Flask], own_redis: EmbeddedRedis) -> Flask:
    """An app on the separate Redis."""
    return make_app(redis_host=str(own_redis.socket))


@pytest.fixture
def own_client(own_app: Flask) -> FlaskClient:
    return with_key(own_app)


@pytest.fixture(scope="module")
def own_postgres(folder: Path) -> Iterator[EmbeddedPostgres]:
    """A separate PostgreSQL of the module, which its tests may stop."""
    server = EmbeddedPostgres(folder / "own-postgres", options=FAST)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def own_database(own_postgres: EmbeddedPostgres, counter: Iterator[int]) -> dict[str, str]:
    """The settings of an empty database on the separate PostgreSQL."""
    own_postgres.start()
    name = f"own_{next(counter)}"
    environment = {**own_postgres.environment, "REDIS_HOST": "none", "API_KEY": KEY}
    create_database(environment, name)
    return {"postgres_host": own_postgres.host, "postgres_db": name}


def with_key(app: Flask) -> FlaskClient:
    client = app.test_client()
    client.environ_base["HTTP_X_API_KEY"] = KEY
    return client


@pytest.fixture(scope="session")
def live(
    server_environment: dict[str, str], template: str, folder: Path, counter: Iterator[int]
) -> Iterator[Server]:
    """A gunicorn on a database and a Redis that no other test uses."""
    name = f"live_{next(counter)}"
    create_database(server_environment, name, template)
    redis = QuickRedis(folder / "live-redis")
    redis.start()
    environment = {**plain(server_environment, name), **redis.environment}
    with serving(environment, folder) as server:
        yield server
    redis.stop()
    run_sql(server_environment, f"DROP DATABASE {name} WITH (FORCE)")
