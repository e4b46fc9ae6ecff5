"""The servers that the sections measure: fresh PostgreSQL and Redis, and gunicorn."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from flask_migrate import upgrade

from jobs.embedded import EmbeddedPostgres, EmbeddedRedis
from webapp import create_app
from webapp.settings import ROOT, Settings
from webapp.store import connect

KEY = "the-key-of-the-benchmarks"
SECRET = "the-secret-that-signs-the-cookies-of-the-benchmarks"
START_SECONDS = 30


@contextmanager
def system() -> Iterator[Settings]:
    """Run migrated, empty servers in a temporary folder, with default durability; yield their settings."""
    folder = Path(tempfile.mkdtemp(prefix="llmb-"))
    postgres, redis = EmbeddedPostgres(folder / "postgres"), EmbeddedRedis(folder / "redis")
    try:
        postgres.start()
        redis.start()
        settings = _use(postgres, redis)
        app = create_app(settings)
        with app.app_context():
            upgrade()
            app.extensions["sqlalchemy"].engine.dispose()
        yield settings
    finally:
        redis.stop()
        postgres.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _use(postgres: EmbeddedPostgres, redis: EmbeddedRedis) -> Settings:
    """Set the environment of this process and its children for the servers, and return the settings."""
    os.environ.update(
        {
            **postgres.environment,
            **redis.environment,
            "API_KEY": KEY,
            "SECRET_KEY": SECRET,
            "SEED": "20",
            "POINTS_PER_RUN": "1000",
            "LOG_LEVEL": "WARNING",
            "LOG_FORMAT": "text",
        }
    )
    return Settings.from_env()


def postgres_version(settings: Settings) -> str:
    """Return the server's version, such as 18.1."""
    with closing(connect(settings)) as conn, conn.cursor() as cursor:
        cursor.execute("SHOW server_version")
        return cursor.fetchone()[0]


@contextmanager
def gunicorn(app: str, *options: str, **environment: str) -> Iterator[int]:
    """Serve an app with the project's gunicorn.conf.py and command-line options; yield its port."""
    port = _free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", *options, app],
        cwd=ROOT,
        env={**os.environ, **environment, "HOST": "127.0.0.1", "PORT": str(port)},
    )
    try:
        _await(port, process)
        yield port
    finally:
        process.terminate()
        process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _await(port: int, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except ConnectionRefusedError:
            time.sleep(0.05)
    raise RuntimeError(f"gunicorn: not listening (exit status {process.poll()})")
