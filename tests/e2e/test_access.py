"""Signing in and out."""

from playwright.sync_api import expect

from tests.e2e.system import FAILED
from tests.support import KEY


def test_signing_in_leads_to_the_requested_page(open_tab):
    tab = open_tab()
    tab.goto("/runs?status=finished")
    expect(tab.page).to_have_title("Sign in · LLM Benchmark")

    tab.page.get_by_label("API key").fill(KEY)
    tab.page.keyboard.press("Enter")

    expect(tab.page.get_by_role("heading", name="Runs")).to_be_visible()
    assert tab.page.url == f"{tab.url}/runs?status=finished"


def test_a_wrong_key_shows_an_error_and_the_right_one_signs_in(open_tab):
    tab = open_tab()
    tab.sign_in("wrong")

    expect(tab.page.get_by_role("alert")).to_have_text("Invalid API key.")
    tab.forgive(f"{FAILED} 403")
    tab.page.get_by_label("API key").fill(KEY)
    tab.page.get_by_role("button", name="Sign in").click()
    expect(tab.page.locator("table.board")).to_be_visible()


def test_signing_out_also_ends_access_in_other_tabs(tab):
    other = tab.context.new_page()
    other.goto(tab.url)
    expect(other.locator("table.board")).to_be_visible()

    tab.page.get_by_role("button", name="Sign out").click()

    expect(tab.page).to_have_title("Sign in · LLM Benchmark")
    other.wait_for_url("**/sign-in*")
    tab.goto("/llm?name=GPT-4o")
    expect(tab.page).to_have_title("Sign in · LLM Benchmark")


def test_the_cookie_is_hidden_from_scripts_and_other_sites_and_contains_no_key(tab):
    (cookie,) = tab.context.cookies()

    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Lax"
    assert KEY not in cookie["value"]
    assert tab.page.evaluate("document.cookie") == ""
