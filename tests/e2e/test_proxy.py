"""The page under a prefix behind a real nginx with HTTPS, as docs/proxy.md configures it."""

import pytest
from playwright.sync_api import expect

from tests.e2e.system import Tab
from tests.nginx import PREFIX, running_nginx
from tests.support import KEY
from tests.tools import needs
from tests.web import serving

pytestmark = needs("nginx")

INTRANET = "https://intranet.test"


@pytest.fixture(scope="module")
def address(running, folder):
    changes = {"URL_PREFIX": PREFIX, "TRUSTED_PROXIES": "127.0.0.1", "FRAME_ANCESTORS": INTRANET}
    with serving(running, folder, **changes) as api, running_nginx(f"127.0.0.1:{api.port}") as nginx:
        yield nginx.url + PREFIX


@pytest.fixture
def tab(browser, address):
    """A tab that has signed in; it sees no error and makes no request outside the prefix."""
    tab = Tab(browser, address, ignore_https_errors=True)
    tab.sign_in()
    yield tab
    tab.close()


def test_the_page_is_styled_and_updates_itself(tab):
    with tab.page.expect_response(f"{tab.url}/live/**") as polled:
        expect(tab.page.locator("table.board")).to_be_visible()

    assert polled.value.status in (200, 304)
    expect(tab.page.locator("#live-text")).to_contain_text("Updated")
    assert tab.page.evaluate("getComputedStyle(document.body).margin") == "0px"


def test_its_navigation_leads_everywhere(tab):
    for name, heading in (("Compare", "Compare"), ("Load curves", "Load curves"), ("Runs", "Runs")):
        tab.page.get_by_role("navigation", name="Main").get_by_role("link", name=name).click()
        expect(tab.page.get_by_role("heading", name=heading)).to_be_visible()
    tab.page.get_by_role("link", name="API", exact=True).click()
    expect(tab.page.get_by_text("/api/v1/benchmarks/rankings", exact=True)).to_be_visible()
    tab.forgive("ViewTransition opt-in disabled")  # Swagger UI's page has no transition


def test_swagger_ui_sends_its_requests_under_the_prefix(tab):
    tab.goto("/docs/#/health/healthz")
    tab.page.get_by_role("button", name="Try it out").click()
    with tab.page.expect_response(f"{tab.url}/healthz") as answer:
        tab.page.get_by_role("button", name="Execute").click()

    assert answer.value.status == 200


def test_the_sign_in_opens_the_queue(tab):
    tab.goto("/rq/")

    expect(tab.page.get_by_role("cell", name="runs", exact=True)).to_be_visible()
    tab.page.get_by_role("link", name="Workers").click()
    expect(tab.page.get_by_role("heading", name="Workers")).to_be_visible()


def test_a_run_starts_on_demand(tab):
    tab.page.get_by_role("button", name="Run now").click()

    tab.page.wait_for_url(f"{tab.url}/runs?job_id=*")


def test_signing_out_leads_to_the_sign_in(tab):
    tab.page.get_by_role("button", name="Sign out").click()

    expect(tab.page).to_have_title("Sign in · LLM Benchmark")


@pytest.fixture
def frame(browser, address):
    """Returns the page in a frame of another site, as often as it is called."""
    context = browser.new_context(ignore_https_errors=True, permissions=["local-network-access"])
    html = f"<iframe src='{address}/' width=1000 height=800></iframe>"
    for site in (INTRANET, "https://evil.test"):
        context.route(f"{site}/", lambda route: route.fulfill(body=html, content_type="text/html"))

    def opened(site=INTRANET):
        page = context.pages[0] if context.pages else context.new_page()
        page.goto(f"{site}/")
        return page.frame_locator("iframe")

    yield opened
    context.close()


def test_a_visitor_signs_in_within_the_frame_of_a_named_site(frame):
    framed = frame()
    framed.get_by_label("API key").fill(KEY)
    framed.get_by_role("button", name="Sign in").click()
    expect(framed.locator("table.board")).to_be_visible()

    expect(frame().locator("table.board")).to_be_visible()


def test_no_other_site_shows_the_page_in_a_frame(frame):
    refused = frame("https://evil.test")

    expect(refused.get_by_label("API key")).to_have_count(0)
