"""Real PostgreSQL and Redis for every test: embedded, or those that TEST_POSTGRES_* and TEST_REDIS_* name.

The schema is migrated once into a template, which is copied for each test, under a role with few rights.
"""

import gc
import itertools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_migrate import upgrade
from redis import Redis

from jobs.embedded import EmbeddedPostgres, EmbeddedRedis
from tests.plain_role import ROLE, create_database, plain
from tests.support import KEY, SECRET, ReadingClient, as_superuser, dispose, run_sql
from webapp import create_app
from webapp.redis import queue_redis
from webapp.settings import Settings
from webapp.store import Connection, clock, connect

pytest_plugins = ["tests.endpoints", "tests.notifications"]

TEMPLATE = "llm_benchmark_template"
# Durability costs time, and tests need no data after a crash of the machine.
FAST = ("-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off")
# Nothing may depend on the session's time zone: this one is no whole number of hours from UTC.
ELSEWHERE = ("-c", "timezone=America/St_Johns")


def pytest_collection_finish() -> None:
    """Keep what has been imported out of garbage collections; the client makes one before each level."""
    gc.freeze()


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
        "POSTGRES_HOST": EmbeddedPostgres(folder / "postgres", options=(*FAST, *ELSEWHERE)),
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
    run_sql(server_environment, f"DROP DATABASE IF EXISTS {TEMPLATE}")
    create_database(server_environment, TEMPLATE)
    app = create_app(Settings.from_env(plain(server_environment, TEMPLATE)))
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
    create_database(server_environment, name, template)
    environment = plain(server_environment, name)
    with closing(queue_redis(Settings.from_env(environment))) as client:
        client.flushall()
    yield environment
    run_sql(server_environment, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(autouse=True)
def future_slots(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets tests use fixed slots in the year 2100, which every window contains."""
    monkeypatch.setattr(clock, "TOLERANCE", timedelta(days=36_500))


@pytest.fixture
def own_environment(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets jobs run in the tests' process, since they read their settings from its environment."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="session")
def counter() -> Iterator[int]:
    return itertools.count()


@pytest.fixture
def place(folder: Path, counter: Iterator[int]) -> Path:
    """A folder of this test for servers, with a short path."""
    path = folder / f"place-{next(counter)}"
    path.mkdir()
    return path


@pytest.fixture
def settings(environment: dict[str, str]) -> Settings:
    return Settings.from_env(environment)


@pytest.fixture
def conn(settings: Settings) -> Iterator[Connection]:
    with closing(connect(settings)) as connection:
        yield connection


@pytest.fixture
def superuser(environment: dict[str, str]) -> Iterator[Connection]:
    """A connection to the same database for what the product's role may not do."""
    with closing(connect(Settings.from_env(as_superuser(environment)))) as connection:
        yield connection


@pytest.fixture
def may_create_roles(environment: dict[str, str]) -> Iterator[None]:
    """Gives the product's role the right CREATEROLE, which `flask grafana-reader` alone needs."""
    run_sql(environment, f"ALTER ROLE {ROLE} CREATEROLE")
    yield
    run_sql(environment, f"ALTER ROLE {ROLE} NOCREATEROLE")


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
