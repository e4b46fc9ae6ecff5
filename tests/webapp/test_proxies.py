"""Apps under a prefix and behind proxies, asked as a proxy asks them."""

import re

import flask
import pytest
from flask import Request

from tests.support import KEY
from tests.web import RANKINGS
from tests.webapp.page.conftest import token
from webapp.auth import WRONG_KEYS_PER_MINUTE
from webapp.settings import Settings, SettingsError

LEAST = {"API_KEY": "key", "POSTGRES_HOST": "db", "REDIS_HOST": "cache"}
PREFIX = "/llm"
PROXY, CLIENT = "10.1.2.3", "203.0.113.7"
PAGES = ["/", "/llm?name=GPT-4o", "/compare", "/runs"]


def ask(app, address=PROXY, **headers):
    """A client at that address, with headers such as x_forwarded_for."""
    client = app.test_client()
    client.environ_base["REMOTE_ADDR"] = address
    client.environ_base.update({f"HTTP_{name.upper()}": value for name, value in headers.items()})
    return client


class TestPrefix:
    @pytest.fixture
    def prefixed(self, make_app):
        return make_app(url_prefix=PREFIX, public_dashboard=True)

    @pytest.fixture
    def removing(self, make_app):
        """A client whose trusted proxy has removed the prefix."""
        app = make_app(url_prefix=PREFIX, public_dashboard=True, trusted_proxies=("10.0.0.0/8",))
        return ask(app, x_forwarded_prefix=f"{PREFIX}/")

    @pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
    def test_health_is_served_with_and_without_it(self, prefixed, path):
        client = ask(prefixed, x_api_key=KEY)

        assert [client.get(where).status_code for where in (path, PREFIX + path)] == [200, 200]

    @pytest.mark.parametrize(
        "path", ["/", "/runs", RANKINGS, "/docs/", "/docs", "/rq/", "/static/page.css", "/llmx", "/x/llm/"]
    )
    def test_nothing_else_is_served_without_it(self, prefixed, path):
        response = ask(prefixed, x_api_key=KEY).get(path)

        assert response.status_code == 404
        assert "Path outside URL_PREFIX=/llm" in response.text

    def test_it_alone_redirects_to_the_page(self, prefixed):
        response = prefixed.test_client().get(PREFIX)

        assert response.headers["Location"] == f"{PREFIX}/"

    @pytest.mark.parametrize("path", PAGES)
    def test_every_address_in_a_page_has_it(self, prefixed, path):
        page = ask(prefixed).get(PREFIX + path)

        assert page.status_code == 200
        addresses = re.findall(r'(?:href|src|action|data-address)="(/[^"]*)"', page.text)
        assert len(addresses) > 6
        assert [each for each in addresses if not each.startswith(f"{PREFIX}/")] == []

    @pytest.mark.parametrize("path", PAGES)
    def test_a_page_polls_its_live_address(self, prefixed, path):
        client = ask(prefixed)
        live = re.search('data-address="([^"]+)"', client.get(PREFIX + path).text)[1]

        assert live == PREFIX + "/live" + path.partition("?")[0]
        assert client.get(f"{live}?{path.partition('?')[2]}").status_code == 200

    def test_a_proxy_that_removes_it_gets_the_same_pages(self, removing, prefixed):
        for path in PAGES:
            assert links(removing.get(path)) == links(ask(prefixed).get(PREFIX + path))

    def test_a_client_cannot_say_that_it_was_removed(self, prefixed):
        assert ask(prefixed, x_forwarded_prefix=PREFIX).get("/").status_code == 404

    def test_the_same_view_is_cached_apart_from_that_of_a_server_without_it(
        self, prefixed, make_app, show_next_run
    ):
        show_next_run()
        ask(make_app(public_dashboard=True)).get("/")

        assert 'href="/?' not in ask(prefixed).get(f"{PREFIX}/").text

    def test_signing_in_leads_back_to_the_requested_page(self, make_app):
        client = make_app(url_prefix=PREFIX).test_client()
        asked = client.get(f"{PREFIX}/runs?limit=5").headers["Location"]
        assert asked.startswith(f"{PREFIX}/sign-in?")
        form = client.get(asked)
        wanted = re.search(r'name="next" value="([^"]+)"', form.text)[1]

        done = client.post(
            f"{PREFIX}/sign-in",
            data={"csrf_token": token(client, f"{PREFIX}/sign-in"), "api_key": KEY, "next": wanted},
        )

        assert done.headers["Location"] == f"{PREFIX}/runs?limit=5"
        assert f"Path={PREFIX};" in done.headers["Set-Cookie"]
        assert client.get(f"{PREFIX}/runs").status_code == 200

    def test_the_documentation_asks_for_the_specification_that_names_it(self, prefixed):
        client = ask(prefixed)
        page = client.get(f"{PREFIX}/docs/").text
        specification = re.search('data-url="([^"]+)"', page)[1]

        assert client.get(f"{PREFIX}/docs").headers["Location"] == f"{PREFIX}/docs/"
        assert client.get(specification).json["servers"] == [{"url": PREFIX}]
        for asset in re.findall(r'(?:src|href)="([^"]+)"', page):
            assert client.get(asset).status_code == 200

    def test_what_the_api_has_made_is_at_its_location(self, prefixed):
        client = ask(prefixed, x_api_key=KEY)
        made = client.post(f"{PREFIX}/api/v1/llms", json={"name": "new", "company_name": "a"})

        assert made.status_code == 201
        assert client.get(made.headers["Location"]).json["name"] == "new"


def links(page):
    return re.findall(r'(?:href|src|action|data-address)="([^"]*)"', page.text)


class TestClient:
    @pytest.mark.parametrize(
        ("forwarded", "client"),
        [
            (CLIENT, CLIENT),
            (f"{CLIENT}, 10.9.9.9", CLIENT),
            (f"1.1.1.1, {CLIENT}, 10.9.9.9", CLIENT),
            (f"{CLIENT}:4711", CLIENT),
            ("[2001:db8::1]:4711", "2001:db8::1"),
            ("::ffff:203.0.113.7", CLIENT),
            ("10.9.9.9", "10.9.9.9"),
            ("", PROXY),
            ("unknown", PROXY),
            (f"{CLIENT}, <script>", PROXY),
        ],
    )
    def test_is_the_last_address_that_no_trusted_proxy_has(self, make_app, forwarded, client):
        app = make_app(trusted_proxies=("10.0.0.0/8",))

        assert seen(app, x_forwarded_for=forwarded).remote_addr == client

    @pytest.mark.parametrize("address", ["::ffff:10.1.2.3", ""])
    def test_of_a_dual_stack_or_unix_socket_is_the_forwarded_one(self, make_app, address):
        app = make_app(trusted_proxies=("10.0.0.0/8",))

        assert seen(app, address, x_forwarded_for=CLIENT).remote_addr == CLIENT

    def test_is_the_last_address_where_every_peer_is_trusted(self, make_app):
        app = make_app(trusted_proxies=("*",))

        assert seen(app, x_forwarded_for=f"1.1.1.1, {CLIENT}").remote_addr == CLIENT

    @pytest.mark.parametrize("trusted", [(), ("192.168.0.0/16",), ("2001:db8::/32",)])
    def test_headers_of_an_untrusted_one_are_ignored(self, make_app, trusted):
        request = seen(
            make_app(trusted_proxies=trusted),
            x_forwarded_for=CLIENT,
            x_forwarded_proto="https",
            x_forwarded_host="evil.example",
        )

        assert (request.remote_addr, request.scheme, request.host) == (PROXY, "http", "localhost")

    def test_is_what_wrong_keys_are_counted_by(self, make_app):
        app = make_app(trusted_proxies=(PROXY,))
        guesser, other = (ask(app, x_forwarded_for=each) for each in (CLIENT, "203.0.113.8"))
        for _ in range(WRONG_KEYS_PER_MINUTE + 1):
            guesser.get(RANKINGS, headers={"x-api-key": "wrong"})

        assert guesser.get(RANKINGS, headers={"x-api-key": KEY}).status_code == 429
        assert other.get(RANKINGS, headers={"x-api-key": KEY}).status_code == 200

    def test_cannot_escape_its_count_by_inventing_addresses(self, make_app):
        app = make_app(trusted_proxies=(PROXY,))
        for number in range(WRONG_KEYS_PER_MINUTE + 1):
            client = ask(app, x_forwarded_for=f"192.0.2.{number}, {CLIENT}")
            refused = client.get(RANKINGS, headers={"x-api-key": "wrong"})

        assert refused.status_code == 429


class TestScheme:
    @pytest.mark.parametrize("value", ["https", "HTTPS", "https, http", "https,http"])
    def test_is_what_the_outermost_proxy_has_seen(self, make_app, value):
        assert seen(make_app(trusted_proxies=(PROXY,)), x_forwarded_proto=value).scheme == "https"

    def test_other_than_http_and_https_is_ignored(self, make_app):
        assert seen(make_app(trusted_proxies=(PROXY,)), x_forwarded_proto="ftp").scheme == "http"

    @pytest.mark.parametrize("value", ["https", "https, http"])
    @pytest.mark.parametrize("trusted", [(), (PROXY,)])
    def test_https_restricts_the_cookie_whoever_says_so(self, make_app, value, trusted):
        client = ask(make_app(trusted_proxies=trusted), x_forwarded_proto=value)

        assert "Secure" in client.get("/sign-in").headers["Set-Cookie"]

    @pytest.mark.parametrize("path", ["/docs", "/rq"])
    def test_redirects_name_neither_scheme_nor_host(self, make_app, path):
        client = ask(make_app(trusted_proxies=(PROXY,)), x_forwarded_proto="https", x_forwarded_host="a.test")

        assert client.get(path).headers["Location"] == f"{path}/"


def seen(app, address=PROXY, **headers):
    """The request as the app sees it."""
    client = ask(app, address, **headers)
    with client:
        client.get("/healthz")
        return Request(flask.request.environ)


@pytest.mark.parametrize(
    ("environ", "prefix"),
    [
        ({"URL_PREFIX": "/llm/"}, "/llm"),
        ({"SCRIPT_NAME": "/llm"}, "/llm"),
        ({"URL_PREFIX": "/a", "SCRIPT_NAME": "/b"}, "/a"),
        ({}, ""),
    ],
)
def test_the_prefix_has_the_name_of_gunicorn_too(environ, prefix):
    assert Settings.from_env({**LEAST, **environ}).url_prefix == prefix


def test_an_invalid_prefix_is_reported_by_the_name_that_was_used():
    with pytest.raises(SettingsError, match=r"^SCRIPT_NAME='llm': must be a path"):
        Settings.from_env({**LEAST, "SCRIPT_NAME": "llm"})
