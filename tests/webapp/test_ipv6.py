"""PostgreSQL and Redis that listen on IPv6 alone."""

import subprocess
from contextlib import closing

import pytest
from redis import Redis

from jobs.embedded import EmbeddedPostgres
from jobs.embedded.binaries import redis_server
from tests.conftest import FAST
from tests.support import KEY
from tests.web import free_port, serving, wait_until
from webapp.redis import shown_address
from webapp.settings import Settings


@pytest.fixture
def ipv6_environment(folder, monkeypatch):
    ports = {"POSTGRES_PORT": str(free_port()), "REDIS_PORT": str(free_port())}
    monkeypatch.setenv("PGPORT", ports["POSTGRES_PORT"])  # so that EmbeddedPostgres finds its socket
    options = (*FAST, "-c", "listen_addresses=::1", "-c", f"port={ports['POSTGRES_PORT']}")
    postgres = EmbeddedPostgres(folder / "ipv6-postgres", options=options)
    environment = {"POSTGRES_HOST": "::1", "REDIS_HOST": "::1", "API_KEY": KEY, **ports}
    redis = subprocess.Popen(
        [redis_server(), "--bind", "::1", "--port", ports["REDIS_PORT"], "--save", "", "--dir", folder]
    )
    try:
        postgres.start()
        with closing(Redis(host="::1", port=int(ports["REDIS_PORT"]))) as client:
            wait_until(client.ping)
        yield environment
    finally:
        redis.terminate()
        redis.wait(30)
        postgres.stop()


def test_the_api_reaches_both(ipv6_environment, folder):
    with serving(ipv6_environment, folder) as server:
        checks = server.request("/readyz").json["checks"]

    assert (checks["database"], checks["redis"]) == ("ok", "ok")
    assert "[::1]" in shown_address(Settings.from_env(ipv6_environment))
