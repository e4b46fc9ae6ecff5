"""A failover to a standby, which is read-only until it is promoted."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest
from flask_migrate import upgrade

from jobs.embedded import EmbeddedPostgres
from jobs.embedded.account import server_account
from jobs.embedded.folders import make_private
from tests.conftest import FAST
from tests.jobs.system import closing_connect, finished_slots, now_slot, until
from tests.support import dispose, query
from tests.web import answered, assert_error, show_run
from tests.webapp.conftest import with_key
from webapp import create_app
from webapp.queue.enqueue import enqueue_simulation
from webapp.queue.queues import runs_queue
from webapp.redis import queue_redis
from webapp.settings import Settings

LLM = "/api/v1/llms/1"
SHOWN = "SELECT count(*) FROM runs WHERE status = 'finished' AND generation IS NOT NULL"


class Pair:
    """A primary and its standby, of which one has the address that everybody knows."""

    def __init__(self, folder: Path):
        self.primary = EmbeddedPostgres(folder / "primary", options=FAST)
        self.standby = EmbeddedPostgres(folder / "standby", options=FAST)
        self.address = folder / "address"

    def start(self) -> None:
        self.primary.start()
        self.lead_to(self.primary)

    def add_standby(self) -> None:
        make_private(self.standby.folder, server_account())
        self.standby._run(
            "pg_basebackup", "--host", self.primary.host, "--username=postgres", "--write-recovery-conf",
            "--wal-method=stream", "--checkpoint=fast",
        )  # fmt: skip
        self.standby.start()

    def lead_to(self, server: EmbeddedPostgres) -> None:
        self.address.unlink(missing_ok=True)
        self.address.symlink_to(server.host)

    def lose_the_primary(self) -> None:
        self.primary.stop()
        self.lead_to(self.standby)

    def promote(self) -> None:
        self.standby._run("pg_ctl", "promote", "-w")

    def stop(self) -> None:
        for server in (self.standby, self.primary):
            server.stop()


@pytest.fixture
def pair(folder, counter, environment) -> Iterator[Pair]:
    """A primary with a migrated database, and its standby; the environment leads to them."""
    made = folder / f"pair-{next(counter)}"
    made.mkdir()
    made.chmod(0o755)
    servers = Pair(made)
    servers.start()
    environment |= {**servers.primary.environment, "POSTGRES_HOST": str(servers.address)}
    app = create_app(Settings.from_env(environment))
    with app.app_context():
        upgrade()
    dispose(app)
    servers.add_standby()
    yield servers
    servers.stop()


@pytest.fixture
def client(pair, environment, make_app) -> Callable:
    return with_key(make_app(**postgres(Settings.from_env(environment))))


def postgres(settings: Settings) -> dict[str, object]:
    return {name: value for name, value in vars(settings).items() if name.startswith("postgres_")}


def readiness(client) -> tuple[int, str, str]:
    response = client.get("/readyz")
    return response.status_code, response.json["status"], response.json["checks"]["database"]


def test_reads_are_answered_and_changes_refused_until_the_standby_is_promoted(
    pair, client, redis, environment
):
    show_run(Settings.from_env(environment), redis, 1)
    before = answered(client)
    until(lambda: is_replicated(pair))

    pair.lose_the_primary()

    redis.flushall()
    assert answered(client) == before
    assert readiness(client) == (200, "degraded", "read-only")
    refused = assert_error(client.patch(LLM, json={"name": "later"}), 503)
    assert refused["message"] == "Database read-only; try again when it accepts changes"
    assert answered(client) == before

    pair.promote()

    assert readiness(client) == (200, "ok", "ok")
    assert client.patch(LLM, json={"name": "later"}).status_code == 200
    assert "later" in answered(client)[1]


def is_replicated(pair: Pair) -> bool:
    with closing_connect(settings_of(pair.primary)) as conn:
        return query(conn, "SELECT bool_and(replay_lsn = pg_current_wal_lsn()) FROM pg_stat_replication") == [
            (True,)
        ]


def settings_of(server: EmbeddedPostgres) -> Settings:
    return Settings.from_env({**server.environment, "REDIS_HOST": "none"})


def test_a_run_waits_until_the_standby_is_promoted(pair, environment, processes, redis):
    environment["MAX_RETRIES"] = "50"
    settings = Settings.from_env(environment)
    until(lambda: is_replicated(pair))
    pair.lose_the_primary()
    slot = now_slot()
    with closing(queue_redis(settings)) as own:
        enqueue_simulation(runs_queue(own), settings, slot)
        worker = processes.worker()
        until(lambda: "read-only" in worker.log)

        pair.promote()

        with closing_connect(settings) as conn:
            until(lambda: finished_slots(conn) == [slot])
            until(lambda: query(conn, SHOWN) == [(3,)])


def test_of_several_hosts_the_one_that_accepts_writes_is_found(pair, environment):
    hosts = f"{pair.standby.host},{pair.primary.host}"
    settings = Settings.from_env({**environment, "POSTGRES_HOST": hosts})
    assert writable_host(settings) == pair.primary.host

    pair.primary.stop()
    with pytest.raises(psycopg2.OperationalError, match="session is read-only"):
        writable_host(settings)
    pair.promote()

    assert writable_host(settings) == pair.standby.host


def writable_host(settings: Settings) -> str:
    with closing_connect(settings) as conn:
        assert query(conn, "SHOW transaction_read_only") == [("off",)]
        return conn.info.host
