"""The documented configuration of nginx, and simpler ones, in front of a real server under a prefix."""

import re
import socket
import time
from base64 import b64encode
from contextlib import closing
from dataclasses import replace
from urllib.parse import urlencode

import psutil
import pytest

from jobs.simulation_run import fill_slot
from tests.nginx import PREFIX, documented, running_nginx
from tests.plain_role import create_database, plain
from tests.support import KEY, run_sql
from tests.tools import needs
from tests.web import RANKINGS, serving, show_run, slot
from webapp.auth import WRONG_KEYS_PER_MINUTE
from webapp.ingest.publish import publish
from webapp.queue.json_job import JSONJob
from webapp.queue.queues import runs_queue
from webapp.redis import queue_redis
from webapp.settings import Settings
from webapp.store import connect

pytestmark = needs("nginx")

POINTS = (
    f"{PREFIX}/api/v1/benchmarks/points?from={slot(2):%Y-%m-%dT%H:%M:%SZ}&to={slot(3):%Y-%m-%dT%H:%M:%SZ}"
)
BARE = """
server {
    listen 443 ssl;
    ssl_certificate /etc/nginx/bench.example.org.pem;
    ssl_certificate_key /etc/nginx/bench.example.org.key;
    location /llm/ { proxy_pass http://127.0.0.1:8001; }
}
"""
PROXYS_PASSWORD = "Basic " + b64encode(b"user:word").decode()


@pytest.fixture(scope="module")
def environment_of_api(server_environment, template):
    """A database with one run, whose export fills more than nginx's buffers."""
    create_database(server_environment, "behind_nginx", template)
    environment = plain(server_environment, "behind_nginx")
    settings = Settings.from_env(environment)
    with closing(queue_redis(settings)) as redis:
        redis.flushall()
        show_run(settings, redis, 1)
        with closing(connect(settings)) as conn:
            fill_slot(conn, replace(settings, points_per_run=10_000), slot(2), "long")
            publish(conn, settings, redis)
    yield environment
    run_sql(server_environment, "DROP DATABASE behind_nginx WITH (FORCE)")


@pytest.fixture(scope="module")
def api(environment_of_api, folder):
    with serving(
        environment_of_api, folder, WEB_CONCURRENCY="1", URL_PREFIX=PREFIX, TRUSTED_PROXIES="127.0.0.1"
    ) as server:
        yield server


@pytest.fixture(scope="module")
def nginx(api):
    with running_nginx(f"127.0.0.1:{api.port}") as nginx:
        yield nginx


@pytest.fixture(scope="module")
def removing(api):
    """The documented variant that removes the prefix."""
    text = documented()
    for old, new in {
        "http://llm_benchmark;    # no path here, so the prefix is kept": "http://llm_benchmark/;",
        "http://llm_benchmark;": "http://llm_benchmark/api/v1/benchmarks/points;",
        'X-Forwarded-Prefix ""': "X-Forwarded-Prefix /llm",
    }.items():
        assert old in text
        text = text.replace(old, new, 1)
    with running_nginx(f"127.0.0.1:{api.port}", text) as nginx:
        yield nginx


@pytest.fixture(scope="module")
def bare(api):
    """An nginx that asks for a password, and passes on neither Host nor any other header."""
    text = BARE.replace("location", "auth_basic x; auth_basic_user_file users;\n    location")
    with running_nginx(f"127.0.0.1:{api.port}", text) as nginx:
        (nginx.folder / "users").write_text("user:{PLAIN}word\n")
        yield nginx


def sign_in(nginx, wanted="", **headers):
    """Sign in and return the answer, and the headers of the browser's further requests."""
    form = nginx.request(f"{PREFIX}/sign-in?{urlencode({'next': wanted})}", **headers)
    fields = dict(re.findall(r'name="(csrf_token|next)" value="([^"]*)"', form.body.decode()))
    answer = nginx.request(
        f"{PREFIX}/sign-in",
        "POST",
        urlencode({**fields, "api_key": KEY}),
        content_type="application/x-www-form-urlencoded",
        cookie=form.headers["set-cookie"].partition(";")[0],
        **headers,
    )
    return answer, {**headers, "cookie": answer.headers["set-cookie"].partition(";")[0]}


@pytest.fixture(params=["nginx", "removing"])
def either(request):
    """Nginx that keeps the prefix, and nginx that removes it."""
    return request.getfixturevalue(request.param)


class TestPrefix:
    def test_a_visitor_is_led_to_the_sign_in_and_back(self, either):
        asked = either.request(f"{PREFIX}/runs?limit=5")
        assert (asked.status, asked.headers["location"].partition("?")[0]) == (303, f"{PREFIX}/sign-in")

        answer, browser = sign_in(either, "/runs?limit=5")

        assert (answer.status, answer.headers["location"]) == (303, f"{PREFIX}/runs?limit=5")
        page = either.request(answer.headers["location"], **browser)
        assert page.status == 200
        for address in set(re.findall(r'(?:href|src|data-address)="(/[^"]*)"', page.body.decode())):
            found = either.request(address.replace("&amp;", "&"), **browser)
            assert (address, found.status) == (address, 308 if address.endswith("/docs") else 200)

    @pytest.mark.parametrize("path", ["", "/docs", "/rq"])
    def test_redirects_stay_on_https_and_under_the_prefix(self, either, path):
        location = either.request(PREFIX + path).headers["location"]

        assert location.removeprefix(either.url) == f"{PREFIX}{path}/"

    def test_the_documentation_loads_the_specification_that_names_it(self, either):
        page = either.request(f"{PREFIX}/docs/").body.decode()
        specification = either.request(re.search('data-url="([^"]+)"', page)[1]).json

        assert specification["servers"] == [{"url": PREFIX}]
        assert RANKINGS in specification["paths"]

    def test_the_api_and_the_health_checks_answer(self, either):
        assert either.request(PREFIX + RANKINGS, x_api_key=KEY).json["data"][0]["ttft"]
        for path in ("/healthz", "/readyz", "/metrics"):
            assert either.request(PREFIX + path, x_api_key=KEY).status == 200

    def test_a_failed_job_is_requeued(self, either, environment_of_api):
        _, browser = sign_in(either)
        with closing(queue_redis(Settings.from_env(environment_of_api))) as redis:
            queue = runs_queue(redis)
            job = queue.enqueue_call("operator.add", args=(1, 2), job_id="failed")
            queue.remove(job)
            queue.failed_job_registry.add(job, exc_string="x")
            job.set_status("failed")
            page = either.request(f"{PREFIX}/rq/0/view/jobs/runs/failed/8/asc/1", **browser).body.decode()
            (path,) = set(re.findall(r'"(/llm/rq/requeue/[^"]+)"', page))

            answer = either.request(path, "POST", origin=either.url, **browser)

            assert answer.status == 200, answer.body
            assert JSONJob.fetch("failed", connection=redis).get_status() == "queued"
            job.delete()

    def test_an_export_arrives_whole(self, either, api):
        direct = api.request(POINTS)
        answer = either.request(POINTS, x_api_key=KEY)

        assert answer.status == direct.status == 200
        assert answer.body == direct.body
        assert len(answer.body) > 1 << 20

    def test_an_export_is_not_stored_by_nginx_while_its_client_does_not_read(self, either):
        with closing(either.connect()) as connection:
            connection.connect()
            connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.request("GET", POINTS, headers={"x-api-key": KEY})
            connection.getresponse()
            time.sleep(1)
            assert list((either.folder / "proxy").iterdir()) == []


class TestClient:
    def test_the_cookie_is_restricted_to_https_and_to_the_prefix(self, nginx):
        cookie = sign_in(nginx)[0].headers["set-cookie"]

        assert {"Secure", "HttpOnly", f"Path={PREFIX}", "SameSite=Lax"} <= set(cookie.split("; "))

    def test_wrong_keys_are_counted_by_client_whatever_address_it_invents(self, nginx, api):
        for number in range(WRONG_KEYS_PER_MINUTE + 1):
            last = nginx.request(
                PREFIX + RANKINGS, client="127.0.0.9", x_api_key="wrong", x_forwarded_for=f"192.0.2.{number}"
            )

        assert last.status == 429
        assert nginx.request(PREFIX + RANKINGS, client="127.0.0.8", x_api_key="wrong").status == 403
        assert "wrong API key from 127.0.0.9 for" in api.log

    def test_nginx_reuses_its_connection(self, nginx, api):
        (worker,) = psutil.Process(api.process.pid).children()

        def connections():
            return {each.raddr.port for each in worker.net_connections("tcp4") if each.raddr}

        nginx.request(f"{PREFIX}/healthz")
        before = connections()
        for _ in range(20):
            assert nginx.request(f"{PREFIX}/healthz").status == 200

        assert connections() <= before


class TestPassword:
    """Nginx asks for a password in front of everything, and passes on nothing."""

    def test_the_pages_sign_in_opens_the_queue_and_locks_nobody_out(self, bare):
        _, browser = sign_in(bare, authorization=PROXYS_PASSWORD)

        codes = [bare.request(f"{PREFIX}/rq/", **browser).status for _ in range(WRONG_KEYS_PER_MINUTE + 2)]

        assert set(codes) == {200}
        api = bare.request(PREFIX + RANKINGS, authorization=PROXYS_PASSWORD, x_api_key=KEY)
        assert api.status == 200

    def test_a_job_is_requeued_because_the_browser_compares_the_sites(self, bare):
        _, browser = sign_in(bare, authorization=PROXYS_PASSWORD)
        path = f"{PREFIX}/rq/requeue/runs"

        assert (
            bare.request(path, "POST", origin=bare.url, sec_fetch_site="same-origin", **browser).status == 200
        )
        assert (
            bare.request(path, "POST", origin=bare.url, sec_fetch_site="same-site", **browser).status == 403
        )
        assert bare.request(path, "POST", origin=bare.url, **browser).status == 403
