"""Real PostgreSQL and Redis for every test: embedded, or those that TEST_POSTGRES_* and TEST_REDIS_* name.

The schema is migrated once into a template, which is copied for each test.
"""

import itertools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_migrate import upgrade
from redis import Redis

from jobs.embedded import EmbeddedPostgres, EmbeddedRedis
from tests.support import KEY, SECRET, ReadingClient, dispose, run_sql
from webapp import create_app
from webapp.redis import queue_redis
from webapp.settings import Settings
from webapp.store import Connection, connect

pytest_plugins = ["tests.endpoints"]

TEMPLATE = "llm_benchmark_template"
# Durability costs time, and tests need no data after a crash of the machine.
FAST = ("-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off")


@pytest.fixture(scope="session")
def folder() -> Iterator[Path]:
    """A folder for servers, with a short path, as Unix sockets need."""
    path = Path(tempfile.mkdtemp(prefix="llmb-"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def server_environment(folder: Path) -> Iterator[dict[str, str]]:
    """The settings of this session's servers."""
    given = {
        name.removeprefix("TEST_"): value for name, value in os.environ.items() if name.startswith("TEST_")
    }
    servers: dict[str, EmbeddedPostgres | EmbeddedRedis] = {
        "POSTGRES_HOST": EmbeddedPostgres(folder / "postgres", options=FAST),
        "REDIS_HOST": EmbeddedRedis(folder / "redis"),
    }
    embedded = [server for name, server in servers.items() if name not in given]
    environment = given | {"API_KEY": KEY, "SECRET_KEY": SECRET, "RETRY_DELAY": "1"}
    try:
        for server in embedded:
            server.start()
            environment |= server.environment
        yield environment
    finally:
        for server in reversed(embedded):
            server.stop()


@pytest.fixture(scope="session")
def template(server_environment: dict[str, str]) -> str:
    """The name of the migrated database that is copied."""
    settings = Settings.from_env({**server_environment, "POSTGRES_DB": TEMPLATE})
    run_sql(server_environment, f"DROP DATABASE IF EXISTS {TEMPLATE}")
    run_sql(server_environment, f"CREATE DATABASE {TEMPLATE}")
    app = create_app(settings)
    with app.app_context():
        upgrade()
    dispose(app)
    return TEMPLATE


@pytest.fixture
def environment(
    server_environment: dict[str, str], template: str, counter: Iterator[int]
) -> Iterator[dict[str, str]]:
    """The environment of a process of this test, with a migrated database and an empty Redis."""
    name = f"test_{os.getpid()}_{next(counter)}"
    run_sql(server_environment, f"CREATE DATABASE {name} TEMPLATE {template}")
    environment = {**server_environment, "POSTGRES_DB": name}
    with closing(queue_redis(Settings.from_env(environment))) as client:
        client.flushall()
    yield environment
    run_sql(server_environment, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def own_environment(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets jobs run in the tests' process, since they read their settings from its environment."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="session")
def counter() -> Iterator[int]:
    return itertools.count()


@pytest.fixture
def settings(environment: dict[str, str]) -> Settings:
    return Settings.from_env(environment)


@pytest.fixture
def conn(settings: Settings) -> Iterator[Connection]:
    with closing(connect(settings)) as connection:
        yield connection


@pytest.fixture
def redis(settings: Settings) -> Iterator[Redis]:
    with closing(queue_redis(settings)) as client:
        yield client


@pytest.fixture
def make_app(settings: Settings) -> Iterator[Callable[..., Flask]]:
    """Makes apps on this test's servers, with changed settings."""
    made = []

    def make(**changes: object) -> Flask:
        app = create_app(replace(settings, **changes))
        app.test_client_class = ReadingClient
        made.append(app)
        return app

    yield make
    for app in made:
        dispose(app)


@pytest.fixture
def app(make_app: Callable[..., Flask]) -> Flask:
    return make_app()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A client that sends the API key."""
    client = app.test_client()
    client.environ_base["HTTP_X_API_KEY"] = KEY
    return client


@pytest.fixture
def stranger(app: Flask) -> FlaskClient:
    """A client that sends no API key."""
    return app.test_client()
