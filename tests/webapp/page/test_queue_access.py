"""/rq with the page's sign-in, and with the password of a proxy in front."""

from base64 import b64encode

import pytest

from tests.support import KEY
from tests.web import RANKINGS, assert_error
from tests.webapp.page.conftest import token
from webapp.auth import WRONG_KEYS_PER_MINUTE

PROXYS_PASSWORD = {"Authorization": "Basic " + b64encode(b"user:password-of-nginx").decode()}


def test_the_pages_sign_in_opens_the_queue(reader):
    assert reader.get("/rq/").status_code == 200


@pytest.mark.parametrize("header", [PROXYS_PASSWORD, {"Authorization": "Bearer x"}, {"Authorization": "é"}])
def test_the_password_of_a_proxy_locks_nobody_out_who_has_signed_in(reader, header):
    codes = [reader.get("/rq/", headers=header).status_code for _ in range(WRONG_KEYS_PER_MINUTE + 2)]

    assert set(codes) == {200}
    assert reader.get(RANKINGS, headers={"x-api-key": KEY}).status_code == 200


def test_after_signing_out_the_cookie_opens_nothing(reader):
    name = reader.application.config["SESSION_COOKIE_NAME"]
    cookie = reader.get_cookie(name).value
    reader.post("/sign-out", data={"csrf_token": token(reader, "/")})
    reader.set_cookie(name, cookie)

    assert_error(reader.get("/rq/"), 401)


def test_a_public_page_opens_no_queue(make_app):
    assert_error(make_app(public_dashboard=True).test_client().get("/rq/"), 401)


def test_a_change_needs_the_same_site_although_the_browser_sends_the_cookie(reader):
    assert_error(reader.post("/rq/requeue/runs"), 403)
    assert_error(reader.post("/rq/requeue/runs", headers={"Origin": "http://elsewhere.test"}), 403)
    assert reader.post("/rq/requeue/runs", headers={"Origin": "http://localhost"}).status_code == 200


def test_while_postgresql_is_unreachable_the_password_opens_the_queue(make_app, reader):
    app = make_app(postgres_host="/nowhere")
    client = app.test_client()
    name = app.config["SESSION_COOKIE_NAME"]
    client.set_cookie(name, reader.get_cookie(name).value)
    password = {"Authorization": "Basic " + b64encode(f"x:{KEY}".encode()).decode()}

    assert_error(client.get("/rq/"), 401)
    assert client.get("/rq/", headers=password).status_code == 200
