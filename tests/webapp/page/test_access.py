import re

import pytest
from flask import session
from flask_migrate import upgrade

from tests.support import KEY, SECRET, dispose, query
from tests.web import RANKINGS
from tests.webapp.page.conftest import sign_in, token
from webapp.auth import WRONG_KEYS_PER_MINUTE
from webapp.page.access import _proof

VIEWS = ["/", "/llm?name=GPT-4o", "/compare", "/load-curves", "/runs", "/incidents", "/status"]


@pytest.fixture
def elsewhere(make_app, own_database, own_redis):
    """An app on a separate database and Redis, which a test may stop."""
    app = make_app(**own_database, redis_host=str(own_redis.socket))
    with app.app_context():
        upgrade()
    yield app
    dispose(app)


@pytest.mark.parametrize("path", VIEWS)
def test_without_signing_in_every_view_redirects_to_the_sign_in(stranger, path):
    response = stranger.get(path)

    assert response.status_code == 303
    assert response.headers["Location"].startswith("/sign-in")
    assert "Llama" not in response.text
    assert stranger.get(f"/live{path}").status_code == 401


@pytest.mark.parametrize("path", VIEWS)
def test_after_signing_in_every_view_is_shown(reader, path):
    assert reader.get(path).status_code == 200
    assert reader.get(f"/live{path}").status_code == 200


def test_a_wrong_key_does_not_sign_in(stranger):
    response = sign_in(stranger, "wrong")

    assert response.status_code == 403
    assert "Invalid API key." in response.text
    assert stranger.get("/").status_code == 303


def test_wrong_keys_are_limited_together_with_those_sent_to_the_api(stranger):
    codes = [sign_in(stranger, "wrong").status_code for _ in range(WRONG_KEYS_PER_MINUTE + 1)]

    assert codes == [403] * WRONG_KEYS_PER_MINUTE + [429]
    assert stranger.get(RANKINGS, headers={"x-api-key": "wrong"}).status_code == 429
    assert sign_in(stranger).status_code == 429


def test_the_cookie_gives_no_access_to_the_api(reader):
    assert reader.get(RANKINGS).status_code == 401


def test_removing_a_key_signs_out_only_those_who_used_it(make_app):
    before = make_app(api_keys=("old", "new"), secret_key=SECRET)
    cookies = {}
    for key in ("old", "new"):
        client = before.test_client()
        sign_in(client, key)
        cookies[key] = cookie_of(client)

    after = make_app(api_keys=("new",), secret_key=SECRET)

    assert {key: status_with(after, cookie) for key, cookie in cookies.items()} == {"old": 303, "new": 200}


def test_a_cookie_signed_with_another_secret_is_ignored(make_app, reader):
    cookie = cookie_of(reader)
    other = make_app(secret_key="another secret of at least 32 characters")

    assert status_with(other, cookie) == 303


def cookie_of(client):
    return client.get_cookie(client.application.config["SESSION_COOKIE_NAME"]).value


def status_with(app, cookie):
    client = app.test_client()
    client.set_cookie(app.config["SESSION_COOKIE_NAME"], cookie)
    return client.get("/").status_code


def test_the_cookie_is_restricted_to_https_if_the_browser_or_its_proxy_uses_it(stranger):
    behind_proxy = {"X-Forwarded-Proto": "https"}

    plain = stranger.get("/sign-in").headers["Set-Cookie"]
    assert "HttpOnly" in plain
    assert "SameSite=Lax" in plain
    assert "Secure" not in plain
    stranger.delete_cookie(stranger.application.config["SESSION_COOKIE_NAME"])
    assert "Secure" in stranger.get("/sign-in", headers=behind_proxy).headers["Set-Cookie"]


@pytest.mark.parametrize(
    "elsewhere",
    ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "/a\nb"],
)
def test_signing_in_never_redirects_to_another_site(stranger, elsewhere):
    assert sign_in(stranger, next=elsewhere).headers["Location"] == "/"


def test_signing_in_redirects_to_the_requested_page(stranger):
    wanted = stranger.get("/llm?name=GPT-4o&window=7d").headers["Location"]
    form = stranger.get(wanted).text
    path = re.search(r'name="next" value="([^"]+)"', form)[1].replace("&amp;", "&")

    assert sign_in(stranger, next=path).headers["Location"] == "/llm?name=GPT-4o&window=7d"


@pytest.mark.parametrize("path", ["/sign-in", "/sign-out", "/run-now"])
@pytest.mark.parametrize("given", [None, "", "wrong", "é"])
def test_a_form_without_its_csrf_token_is_refused(reader, redis, path, given):
    data = {"api_key": KEY} | ({} if given is None else {"csrf_token": given})

    assert reader.post(path, data=data).status_code == 403
    assert not redis.keys("rq:job:*")
    assert reader.get("/").status_code == 200


def test_a_public_page_can_be_read_but_not_changed_without_signing_in(make_app):
    app = make_app(public_dashboard=True)
    client = app.test_client()

    assert [client.get(path).status_code for path in VIEWS] == [200] * len(VIEWS)
    assert "Set-Cookie" not in client.get("/").headers
    assert "Run now" not in client.get("/").text
    assert client.post("/run-now", data={"csrf_token": token(client)}).status_code == 401
    assert client.get(RANKINGS).status_code == 401


class TestSigningOut:
    @pytest.fixture
    def sign_out(self):
        def post(client):
            return client.post("/sign-out", data={"csrf_token": token(client, "/")})

        return post

    def test_ends_access(self, reader, sign_out):
        assert sign_out(reader).status_code == 303
        assert reader.get("/").status_code == 303

    def test_ends_every_copy_of_the_cookie_in_every_process(self, reader, make_app, sign_out):
        cookie, other = cookie_of(reader), make_app()
        assert status_with(other, cookie) == 200

        sign_out(reader)

        assert [status_with(app, cookie) for app in (other, make_app(), reader.application)] == [303] * 3

    def test_does_not_end_other_sessions_of_the_same_key(self, reader, make_reader, app, sign_out):
        other = make_reader(app)
        sign_out(reader)

        assert other.get("/").status_code == 200

    def test_holds_while_redis_is_unreachable(self, own_app, own_redis, make_reader, sign_out):
        ended, kept = make_reader(own_app), make_reader(own_app)
        cookie = cookie_of(ended)
        sign_out(ended)

        own_redis.stop()

        assert status_with(own_app, cookie) == 303
        assert kept.get("/").status_code == 200

    def test_works_while_redis_is_unreachable(self, own_app, own_redis, make_reader, sign_out):
        reader = make_reader(own_app)
        cookie = cookie_of(reader)
        own_redis.stop()

        assert sign_out(reader).status_code == 303
        assert status_with(own_app, cookie) == 303

    def test_holds_while_postgresql_is_unreachable(self, elsewhere, own_postgres, make_reader, sign_out):
        ended, kept = make_reader(elsewhere), make_reader(elsewhere)
        cookie = cookie_of(ended)
        sign_out(ended)
        assert kept.get("/compare").status_code == 200

        own_postgres.stop()

        assert status_with(elsewhere, cookie) == 303
        assert kept.get("/compare").status_code == 200

    def test_is_503_while_postgresql_is_unreachable_and_can_be_repeated(
        self, elsewhere, own_postgres, make_reader, sign_out
    ):
        reader = make_reader(elsewhere)
        csrf_token = {"csrf_token": token(reader, "/compare")}
        own_postgres.stop()
        assert reader.post("/sign-out", data=csrf_token).status_code == 503

        own_postgres.start()
        assert sign_out(reader).status_code == 303

    def test_a_process_that_knows_no_ended_sessions_shows_nothing(self, elsewhere, own_postgres, make_reader):
        reader = make_reader(elsewhere)
        own_postgres.stop()

        response = reader.get("/compare")
        assert (response.status_code, "Sign out" in response.text) == (503, False)

    def test_forgets_a_session_when_its_cookie_has_expired(self, reader, conn, sign_out):
        with conn, conn.cursor() as cursor:
            cursor.execute("INSERT INTO ended_sessions VALUES ('long ago', now() - interval '1 s')")
        sign_out(reader)

        ((days,),) = query(conn, "SELECT extract(day FROM expires_at - now()) FROM ended_sessions")
        assert days == 29

    def test_a_cookie_without_a_session_is_ignored(self, app):
        with app.test_request_context():
            session["proof"] = _proof(KEY)
            response = app.make_response("")
            app.session_interface.save_session(app, session, response)
        cookie = response.headers["Set-Cookie"].partition("=")[2].partition(";")[0]

        assert status_with(app, cookie) == 303


@pytest.mark.parametrize(
    ("ancestors", "policy", "option"),
    [
        ("", "'none'", "DENY"),
        ("'self'", "'self'", "SAMEORIGIN"),
        ("'self' https://intranet.example.org", "'self' https://intranet.example.org", None),
    ],
)
@pytest.mark.parametrize("path", ["/sign-in", "/rq/", "/docs/", "/static/page.js", RANKINGS])
def test_only_the_named_sites_may_frame_it(make_app, path, ancestors, policy, option):
    headers = make_app(frame_ancestors=ancestors).test_client().get(path).headers

    assert f"frame-ancestors {policy}" in headers["Content-Security-Policy"].split("; ")
    assert headers.get("X-Frame-Options") == option


@pytest.mark.parametrize(
    ("ancestors", "scheme", "same_site"),
    [("https://a.test", "https", "None"), ("https://a.test", "http", "Lax"), ("'self'", "https", "Lax")],
)
def test_in_the_frame_of_another_site_the_cookie_works_over_https(make_app, ancestors, scheme, same_site):
    client = make_app(frame_ancestors=ancestors).test_client()

    cookie = client.get("/sign-in", base_url=f"{scheme}://localhost").headers["Set-Cookie"]

    attributes = set(cookie.split("; "))
    assert f"SameSite={same_site}" in attributes
    assert {"Secure", "Partitioned"} <= attributes if same_site == "None" else "Partitioned" not in attributes


@pytest.mark.parametrize("path", [*VIEWS, "/sign-in", "/llm?name=none", "/static/page.js"])
def test_every_response_has_security_headers(reader, path):
    with reader.get(path) as response:
        headers = response.headers

    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    if "/static/" not in path:
        assert headers["Cache-Control"] == "private, no-cache"


@pytest.mark.parametrize("path", [*VIEWS, "/sign-in"])
def test_no_page_contains_what_its_content_security_policy_blocks(reader, stranger, path):
    html = (stranger if path == "/sign-in" else reader).get(path).text

    assert not re.search(r"<[^>]+\s(style|on\w+)=", html)
    assert not re.search(r"<script(?![^>]*(src=|application/json))", html)
    assert "http://" not in html.replace("http://www.w3.org", "")
    assert "https://" not in html
