"""Redis as operators run it: TLS with client certificates, users, databases, proxies' limits, Valkey."""

from contextlib import closing

import pytest
import trustme
from redis.exceptions import ConnectionError

from tests.jobs.system import assert_answer_is_right, finished_slots, until
from tests.redis_servers import RedisServer, running, sentinel
from tests.support import query
from tests.tools import find, needs
from tests.webapp.conftest import with_key
from webapp.redis import cache_redis, queue_redis
from webapp.settings import Settings

# What some proxies and managed servers do not know.
WITHOUT_HELLO = [f'rename-command {name} ""' for name in ("HELLO", "CLIENT", "CONFIG", "MONITOR")]
USER = "user bench on >p@ss/word:1 ~* resetchannels +@all -@dangerous -@admin"


@pytest.fixture
def certificates(place):
    """Paths of a CA's certificate, and of a certificate and its key for this machine."""
    authority = trustme.CA()
    issued = authority.issue_cert("localhost", "127.0.0.1")
    paths = {name: str(place / name) for name in ("ca", "cert", "key")}
    authority.cert_pem.write_to_path(paths["ca"])
    issued.cert_chain_pems[0].write_to_path(paths["cert"])
    issued.private_key_pem.write_to_path(paths["key"])
    return paths


@pytest.fixture
def system_works(processes, make_app, conn):
    """Checks that scheduler, worker and API work with these settings of Redis."""

    def check(**redis: str) -> None:
        for name in [name for name in processes.environment if name.startswith("REDIS_")]:
            del processes.environment[name]
        processes.environment.update(redis)
        client = with_key(make_app(**vars(Settings.from_env(processes.environment))))
        processes.scheduler("--run-now")
        processes.worker()
        until(lambda: finished_slots(conn))
        until(lambda: not query(conn, "SELECT FROM runs WHERE generation IS NULL"))
        assert_answer_is_right(client, conn)
        until(lambda: client.get("/readyz").json["status"] == "ok")

    return check


def test_a_server_that_refuses_hello(system_works, place):
    server = RedisServer(place / "server", *WITHOUT_HELLO)
    with running(server):
        system_works(**server.environment)


def test_a_user_and_a_database_in_a_url(system_works, place):
    server = RedisServer(place / "server", USER)
    with running(server):
        system_works(REDIS_URL=f"redis://bench:p%40ss%2Fword%3A1@127.0.0.1:{server.port}/3")
        assert set(server.client().info("keyspace")) == {"db3"}


def test_a_user_and_a_database_on_a_unix_socket(system_works, place):
    server = RedisServer(place / "server", USER, f"unixsocket {place / 's'}")
    with running(server):
        system_works(
            REDIS_HOST=str(place / "s"), REDIS_USER="bench", REDIS_PASSWORD="p@ss/word:1", REDIS_DB="2"
        )
        assert set(server.client().info("keyspace")) == {"db2"}


@needs("redis-server")
def test_tls_with_a_certificate_of_the_client(system_works, place, certificates):
    server = tls_server(place / "server", certificates)
    with running(server):
        system_works(**server.environment, **tls_settings(certificates))


@needs("redis-server")
def test_a_server_with_a_certificate_of_an_unknown_ca_is_refused(environment, place, certificates):
    server = tls_server(place / "server", certificates)
    unknown = {**tls_settings(certificates), "REDIS_SSL_CA": ""}  # the system's CAs
    with running(server):
        settings = Settings.from_env({**environment, **server.environment, **unknown})
        for client in cache_redis(settings), queue_redis(settings):
            with closing(client), pytest.raises(ConnectionError, match="certificate verify failed"):
                client.ping()


@needs("redis-sentinel")
def test_tls_of_server_and_sentinel(system_works, place, certificates):
    server = tls_server(place / "server", certificates)
    watcher = sentinel(
        place / "sentinel", server.port, find("redis-sentinel"), "word", *tls_lines(certificates),
        tls=client_options(certificates),
    )  # fmt: skip
    with running(server, watcher):
        system_works(
            REDIS_SENTINELS=f"127.0.0.1:{watcher.port}",
            REDIS_SENTINEL_PASSWORD="word",
            **tls_settings(certificates),
        )


def tls_server(folder, certificates) -> RedisServer:
    """A server that accepts nobody without a certificate."""
    lines = tls_lines(certificates)
    return RedisServer(folder, *lines, program=find("redis-server"), tls=client_options(certificates))


def tls_lines(certificates) -> list[str]:
    return [
        f"tls-ca-cert-file {certificates['ca']}",
        f"tls-cert-file {certificates['cert']}",
        f"tls-key-file {certificates['key']}",
        "tls-replication yes",
    ]


def client_options(certificates) -> dict[str, str]:
    return {
        "ssl_ca_certs": certificates["ca"],
        "ssl_certfile": certificates["cert"],
        "ssl_keyfile": certificates["key"],
    }


def tls_settings(certificates) -> dict[str, str]:
    return {
        "REDIS_SSL": "true",
        "REDIS_SSL_CA": certificates["ca"],
        "REDIS_SSL_CERT": certificates["cert"],
        "REDIS_SSL_KEY": certificates["key"],
    }


@needs("valkey-server")
def test_valkey(system_works, place):
    server = RedisServer(place / "server", USER, program=find("valkey-server"))
    with running(server):
        assert server.client().info("server")["server_name"] == "valkey"
        system_works(
            **server.environment | {"REDIS_USER": "bench", "REDIS_PASSWORD": "p@ss/word:1"}, REDIS_PREFIX="v:"
        )
        assert {key[:2] for key in server.client().scan_iter()} == {b"v:"}


def test_scheduler_and_worker_warn_of_a_server_that_may_evict_jobs(processes, place):
    server = RedisServer(place / "server", "maxmemory-policy allkeys-lru")
    with running(server):
        processes.environment.update(server.environment)
        both = processes.scheduler(), processes.worker()
        warning = "redis: maxmemory-policy allkeys-lru may evict jobs; expected noeviction"
        until(lambda: all(warning in process.log for process in both))
