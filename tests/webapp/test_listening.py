"""Where the API and the metrics of the other processes listen: IPv6, both IP versions, and Unix sockets."""

import http.cookiejar
import re
import socket
import stat
import subprocess
import sys
import urllib.request
from contextlib import ExitStack, closing, contextmanager
from http.client import HTTPConnection
from urllib.parse import urlencode

import pytest
from prometheus_client import CollectorRegistry

from tests.plain_role import plain
from tests.support import KEY
from tests.web import GUNICORN, clean_environment, free_port, serving, wait_until
from webapp.monitoring.exporter import export
from webapp.probe import status
from webapp.settings import ROOT, Settings

# A proxy that nobody may ask about this machine's own servers.
PROXY = dict.fromkeys(("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy"), "http://127.0.0.1:1")


@pytest.fixture
def environment(without_database):
    return without_database


@contextmanager
def listening(environment, host, **more):
    """Run gunicorn on that HOST; yields its port."""
    changed = {**clean_environment(), **environment, **PROXY, "HOST": host, "PORT": str(free_port()), **more}
    process = subprocess.Popen([GUNICORN], cwd=ROOT, env=changed)
    try:
        wait_until(
            lambda: process.poll() is not None or status(host, int(changed["PORT"]), "/healthz", 5), 20
        )
        yield int(changed["PORT"])
    finally:
        process.terminate()
        process.wait(30)


def health(host, port, metrics_port=1):
    """The exit code of the image's health check."""
    variables = {"HOST": host, "PORT": str(port), "METRICS_PORT": str(metrics_port), **PROXY}
    command = [sys.executable, "-m", "docker.health"]
    return subprocess.run(command, cwd=ROOT, env={**clean_environment(), **variables}, check=False).returncode


@pytest.mark.parametrize(
    ("host", "addresses"),
    [
        ("::1", {"::1"}),
        ("::", {"::1", "127.0.0.1"}),
        ("0.0.0.0", {"127.0.0.1"}),
        ("127.0.0.2", {"127.0.0.2"}),
    ],
)
def test_the_api_listens_and_the_health_check_finds_it(environment, host, addresses):
    with listening(environment, host) as port:
        answered = {each for each in ("::1", "127.0.0.1", "127.0.0.2") if status(each, port, "/healthz", 5)}

        assert answered >= addresses
        assert health(host, port) == 0
    assert health(host, port) == 1


def test_a_client_of_a_unix_socket_has_the_address_that_its_proxy_names(environment, folder, capfd):
    path = folder / "api.sock"
    with listening(environment, f"unix:{path}", URL_PREFIX="/llm") as port:
        assert health(f"unix:{path}", port) == 0
        assert stat.S_IMODE(path.stat().st_mode) == 0o777
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            client.sendall(
                b"GET /llm/api/v1/benchmarks/rankings HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                b"X-Forwarded-For: 203.0.113.7\r\nx-api-key: wrong\r\n\r\n"
            )
            assert client.recv(100).startswith(b"HTTP/1.1 403")

    assert "wrong API key from 203.0.113.7" in capfd.readouterr().err
    assert health(f"unix:{path}", port) == 1


@pytest.mark.parametrize(("host", "address"), [("::1", "::1"), ("::", "::1"), ("unix:/x/y", "127.0.0.1")])
def test_the_metrics_of_other_processes_listen_there_too(environment, host, address):
    port = free_port()
    settings = Settings.from_env(
        {**environment, "HOST": host, "METRICS_PORT": str(port), "METRICS_PUBLIC": "true"}
    )

    export(CollectorRegistry(), settings)

    with closing(HTTPConnection(address, port, timeout=5)) as connection:
        connection.request("GET", "/metrics")
        assert connection.getresponse().status == 200
    assert health(host, 1, port) == 0


def test_the_prefix_may_have_gunicorns_name_for_it(environment):
    with listening(environment, "127.0.0.1", SCRIPT_NAME="/llm", FORWARDED_ALLOW_IPS="*") as port:
        paths = ("/healthz", "/llm/healthz", "/llm/docs/", "/docs/")

        assert [status("127.0.0.1", port, path, 5) for path in paths] == [200, 200, 200, 404]


def test_headers_of_the_scheme_that_contradict_each_other_are_no_error(environment):
    with (
        listening(environment, "127.0.0.1") as port,
        closing(HTTPConnection("127.0.0.1", port)) as connection,
    ):
        connection.request(
            "GET", "/healthz", headers={"X-Forwarded-Proto": "https", "X-Forwarded-Ssl": "off"}
        )

        assert connection.getresponse().status == 200


def test_one_browser_is_signed_in_to_two_servers_of_one_host(environment, template, folder):
    jar = http.cookiejar.CookieJar()  # like browsers, it does not separate ports
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(jar)
    )
    with ExitStack() as stack:
        servers = [
            stack.enter_context(serving(plain(environment, template), folder, SECRET_KEY=letter * 32))
            for letter in "ab"
        ]
        for server in servers:
            with opener.open(f"{server.url}/sign-in") as answer:
                form = answer.read().decode()
            (token,) = re.findall(r'name="csrf_token" value="([^"]+)"', form)
            fields = {"csrf_token": token, "api_key": KEY, "next": "/runs"}
            opener.open(f"{server.url}/sign-in", urlencode(fields).encode()).close()

        for server in servers:
            with opener.open(f"{server.url}/runs") as answer:
                assert answer.url == f"{server.url}/runs"
