"""Incidents in the browser."""

import re

from playwright.sync_api import expect


def test_a_mark_in_a_chart_leads_to_the_incident(tab):
    tab.goto("/llm?name=GPT-4o&window=24h")
    mark = tab.page.locator("#metrics .placed a.mark").first
    chart = tab.page.locator("#metrics .u-over").first
    expect(mark).to_be_visible()
    inside, area = mark.bounding_box(), chart.bounding_box()
    assert area["x"] <= inside["x"] + inside["width"] / 2 <= area["x"] + area["width"]
    assert inside["height"] == area["height"]

    mark.click()

    expect(tab.page.get_by_role("heading", level=1)).to_contain_text("GPT-4o: time to first token")


def test_an_incident_is_acknowledged_and_other_tabs_show_it_without_a_reload(tab, open_tab):
    other = open_tab()
    other.sign_in()
    other.goto("/incidents/1")
    other.mark()
    tab.goto("/incidents/1")

    tab.page.get_by_label("Note").fill("on it")
    tab.page.get_by_role("button", name="Acknowledge").click()

    for each in (tab, other):
        expect(each.page.locator("#incident .state")).to_contain_text("Acknowledged")
        expect(each.page.locator("#incident .quoted").first).to_contain_text("on it")
    assert other.was_not_reloaded()


def test_the_number_of_open_incidents_follows_when_one_is_closed(tab, open_tab):
    other = open_tab()
    other.sign_in()
    other.goto("/status")
    count = other.page.locator("#open-incidents")
    expect(count).to_have_text("3")
    tab.goto("/incidents")
    tab.page.get_by_role("link", name=re.compile("Claude 3.5 Sonnet: time to first token")).last.click()

    tab.page.get_by_role("button", name="Close incident").click()

    expect(tab.page.locator("#incident .state")).to_contain_text("Resolved")
    expect(count).to_have_text("2")
    expect(other.page.locator("#status")).to_contain_text("2 of 8 LLMs affected")
