"""The leaderboard in use."""

from datetime import timedelta

import pytest
from playwright.sync_api import expect

from llm_measure.metrics import METRICS
from tests.e2e.system import ODD_NAMES, Tab, add_llms, fill, web_server
from webapp.settings import Settings

SIMULATED = [metric for metric in METRICS if metric.simulated_range is not None]


@pytest.mark.parametrize("metric", SIMULATED, ids=lambda metric: metric.name)
def test_the_best_llm_comes_first_and_the_order_can_be_reversed(tab, metric):
    tab.goto("/")
    tab.page.get_by_role("link", name=metric.title, exact=True).click()
    expect(tab.page.get_by_role("heading", level=1)).to_have_text(metric.title)
    expect(tab.page.locator(".lede strong")).to_have_text(f"{metric.better.capitalize()} is better.")
    assert len(tab.means()) == 3 + len(ODD_NAMES)
    assert tab.means() == sorted(tab.means(), reverse=metric.better == "higher")

    tab.page.get_by_label("Sort").select_option("worst")
    tab.page.wait_for_url("**order=worst**")
    assert tab.means() == sorted(tab.means(), reverse=metric.better == "lower")


def test_an_address_restores_the_view(tab, open_tab):
    tab.goto("/")
    tab.page.get_by_role("link", name="Tokens per second").click()
    tab.page.get_by_label("Window").select_option("7d")
    tab.page.wait_for_url("**window=7d**")
    tab.page.get_by_label("Sort").select_option("name")
    tab.page.wait_for_url("**order=name**")

    other = open_tab()
    other.sign_in()
    other.page.goto(tab.page.url)

    expect(other.page.get_by_role("heading", level=1)).to_have_text("Tokens per second")
    expect(other.page.get_by_label("Window")).to_have_value("7d")
    expect(other.page.get_by_label("Sort")).to_have_value("name")
    assert other.names() == tab.names()
    assert other.means() == tab.means()


def test_another_source_leaves_its_scenario_to_the_page(tab):
    tab.goto("/?scenario=default")
    tab.page.get_by_label("Source").select_option("measurement")
    tab.page.wait_for_url("**source=measurement**")

    assert "scenario=" not in tab.page.url


def test_a_poll_asks_for_the_series_that_the_page_shows(tab):
    with tab.page.expect_request("**/live/**") as poll:
        tab.goto("/")

    assert "source=simulation&scenario=default" in poll.value.url


def test_the_back_button_restores_the_previous_view(tab):
    tab.goto("/?window=24h")
    before = tab.means()
    tab.page.get_by_label("Window").select_option("latest")
    tab.page.wait_for_url("**window=latest**")
    assert tab.means() != before
    tab.page.get_by_role("link", name="GPT-4o", exact=True).click()
    tab.page.wait_for_url("**/llm?**")

    tab.page.go_back()
    expect(tab.page.get_by_label("Window")).to_have_value("latest")
    tab.page.go_back()
    expect(tab.page.get_by_label("Window")).to_have_value("24h")
    assert tab.means() == before


def test_the_metric_is_explained_one_click_away(tab):
    tab.goto("/?metric=tps")
    about = tab.page.locator("#about-metric")
    expect(about).to_be_hidden()

    tab.page.get_by_role("button", name="About this metric").click()

    expect(about).to_contain_text("Output tokens after the first, over the time from the first token")
    expect(about).to_contain_text("Higher is better")
    expect(about).to_contain_text("Simulated: each run draws values uniformly from 10 to 150 tokens/s")
    tab.page.keyboard.press("Escape")
    expect(about).to_be_hidden()


@pytest.mark.parametrize("label", ["Rank", "Mean", "p95", "24 hours", "n", "Measured"])
def test_each_column_has_an_explanation(tab, label):
    tab.goto("/")
    tab.page.locator("thead").get_by_role("button", name=label, exact=True).click()

    expect(tab.page.locator(".about:popover-open")).to_have_count(1)


def test_markup_in_names_is_escaped(tab):
    tab.goto("/")

    assert set(ODD_NAMES) < set(tab.names())
    expect(tab.page).to_have_title("Time to first token · LLM Benchmark")
    for name in ODD_NAMES:
        tab.goto("/")
        tab.page.get_by_role("link", name=name, exact=True).click()
        expect(tab.page.get_by_role("heading", level=1)).to_have_text(name)
        expect(tab.page).to_have_title(f"{name} · LLM Benchmark")
        expect(tab.page.locator(".plot canvas").first).to_be_visible()


def test_selected_llms_are_compared(tab):
    tab.goto("/")
    button = tab.page.locator("[data-comparing]")
    expect(button).to_be_disabled()
    for name in ("GPT-4o", ODD_NAMES[0], ODD_NAMES[2]):
        tab.page.get_by_role("checkbox", name=f"Compare {name}", exact=True).check()
    expect(button).to_have_text("Compare selected (3)")
    button.click()

    expect(tab.page.locator(".chip")).to_have_count(3)
    expect(tab.page.locator(".plot canvas")).to_have_count(len(SIMULATED))
    compared = tab.page.locator("table.compared").first.locator("tbody th")
    assert set(compared.all_inner_texts()) == {"GPT-4o", ODD_NAMES[0], ODD_NAMES[2]}
    tab.page.get_by_role("link", name="Remove GPT-4o").click()
    expect(tab.page.locator(".chip")).to_have_count(2)
    tab.page.get_by_label("Add an LLM").select_option("Llama 3.1 70B")
    expect(tab.page.locator(".chip")).to_have_count(3)


def test_each_chart_can_be_shown_as_a_table(tab):
    tab.goto("/llm?name=GPT-4o&window=24h")
    first = tab.page.locator("figure.chart").first
    first.get_by_text("Show as table").click()

    expect(first.locator("table.list thead th")).to_have_text(["Run", "p50", "p95"])
    assert first.locator("table.list tbody tr").count() >= 5


def test_two_hundred_llms_are_loaded_on_scrolling(environment, folder, open_tab):
    settings = Settings.from_env({**environment, "POINTS_PER_RUN": "5"})
    add_llms(settings, tuple(f"LLM {number}" for number in range(197)))
    fill(settings, slots=1, newest=timedelta(hours=3))
    with web_server(environment, folder) as address:
        tab = open_tab(address)
        tab.sign_in()
        assert len(tab.names()) == 25
        expect(tab.page.get_by_text("Stale: no new data for 3 h")).to_have_count(25)
        tab.mark()

        tab.page.get_by_text("Show all 200 LLMs").scroll_into_view_if_needed()

        expect(tab.page.locator("table.board tbody tr")).to_have_count(200)
        assert tab.was_not_reloaded()
        assert tab.means() == sorted(tab.means())
        tab.page.goto("about:blank")


def test_the_page_works_without_javascript(open_tab):
    tab: Tab = open_tab(java_script_enabled=False)
    tab.sign_in()

    assert len(tab.names()) == 3 + len(ODD_NAMES)
    tab.page.get_by_label("Sort").select_option("worst")
    tab.page.get_by_role("button", name="Apply").click()
    assert "order=worst" in tab.page.url
