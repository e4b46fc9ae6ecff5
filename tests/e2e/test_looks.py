"""Every view: its width, its accessibility, its size."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.e2e.system import VIEWS

MAX_BYTES = 200_000
WIDTHS = (390, 768, 880, 1100, 1440)
SERIOUS = ("serious", "critical")


@pytest.fixture(params=["/sign-in", *VIEWS.values()], ids=["sign-in", *VIEWS])
def path(request):
    return request.param


def test_every_view_fits_the_window(open_tab, path):
    tab = open_tab(reduced_motion="reduce")  # a resize would abort the transition between two views
    if path != "/sign-in":
        tab.sign_in()
    overflows = {}
    for width in WIDTHS:
        tab.page.set_viewport_size({"width": width, "height": 900})
        tab.goto(path)
        overflows[width] = tab.overflow()

    assert overflows == dict.fromkeys(WIDTHS, 0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_violation(open_tab, path, scheme):
    tab = open_tab(color_scheme=scheme)
    if path != "/sign-in":
        tab.sign_in()
    tab.goto(path)
    for summary in tab.page.locator("summary").all()[:2]:
        summary.click()

    violations = Axe().run(tab.page).response["violations"]

    found = [
        (violation["id"], [node["html"] for node in violation["nodes"]][:3])
        for violation in violations
        if violation["impact"] in SERIOUS
    ]
    assert found == []


def test_the_first_load_is_small_even_without_compression(open_tab):
    tab = open_tab()
    tab.sign_in()
    for view in ("/", VIEWS["llm"]):
        fresh = open_tab()
        fresh.context.add_cookies(tab.context.cookies())
        sizes = []
        fresh.page.on("response", lambda response, sizes=sizes: sizes.append(len(response.body())))
        fresh.page.goto(fresh.url + view, wait_until="networkidle")
        assert 0 < sum(sizes) < MAX_BYTES


def test_the_page_can_be_used_with_the_keyboard(tab):
    tab.goto("/")
    tab.page.keyboard.press("Tab")
    expect(tab.page.get_by_role("link", name="Skip to content")).to_be_focused()
    tab.page.keyboard.press("Enter")
    tab.page.keyboard.press("Tab")
    tab.page.keyboard.press("Tab")
    expect(tab.page.get_by_role("link", name="Tokens per second")).to_be_focused()
    tab.page.keyboard.press("Enter")
    expect(tab.page.get_by_role("heading", level=1)).to_have_text("Tokens per second")


def test_nothing_moves_with_reduced_motion(open_tab):
    tab = open_tab(reduced_motion="reduce")
    tab.sign_in()
    tab.page.evaluate("document.querySelector('#board').innerHTML = '<span class=spinner></span>'")

    assert tab.page.evaluate("getComputedStyle(document.querySelector('.spinner')).animationName") == "none"
