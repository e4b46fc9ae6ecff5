"""Changes in /rq through proxies: which pages a browser may send them from."""

import pytest

from tests.web import assert_error
from tests.webapp.test_rq_dashboard import ORIGIN, visitor
from webapp.queue.queues import QUEUE_NAME

PATH = f"/rq/requeue/{QUEUE_NAME}"


@pytest.fixture
def environment(without_database):
    return without_database


@pytest.fixture
def visit(app):
    """A client that is signed in."""
    return visitor(app)


def test_a_change_is_accepted_over_https_to_a_trusted_proxy_from_https_alone(make_app, visit):
    proxied = {"X-Forwarded-Proto": "https"}
    assert_error(visit.post(PATH, headers={**proxied, "Origin": "https://localhost"}), 403)

    visit = visitor(make_app(trusted_proxies=("127.0.0.1",)))
    assert_error(visit.post(PATH, headers={**proxied, **ORIGIN}), 403)
    assert visit.post(PATH, headers={**proxied, "Origin": "https://localhost"}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "https://a.test", "Sec-Fetch-Site": "same-origin"},
     {"Origin": "http://a.test", "X-Forwarded-Host": "a.test"}],
)  # fmt: skip
def test_a_change_is_accepted_through_a_proxy_that_passes_its_own_host(make_app, headers):
    visit = visitor(make_app(trusted_proxies=("127.0.0.1",)))
    visit.environ_base["HTTP_HOST"] = "127.0.0.1:8001"

    assert visit.post(PATH, headers=headers).status_code == 200


@pytest.mark.parametrize("compared", ["same-site", "cross-site", "none"])
def test_a_change_is_refused_if_the_browser_reports_another_site(visit, compared):
    headers = {**ORIGIN, "Sec-Fetch-Site": compared}

    assert_error(visit.post(PATH, headers=headers), 403)


def test_a_change_is_refused_from_a_host_that_an_untrusted_client_names(visit):
    headers = {"Origin": "http://a.test", "X-Forwarded-Host": "a.test"}

    assert_error(visit.post(PATH, headers=headers), 403)
