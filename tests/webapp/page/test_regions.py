"""Regions on the page: a selector next to that of scenarios, where there are any."""

import re
from datetime import UTC, datetime

import pytest

from tests.factories import add_llm, add_scenario
from tests.webapp.api.shown_runs import finish_run, show

NOW = datetime.now(UTC).replace(microsecond=0)
ONE, OTHER = "Measured 1", "Measured 2"
NAMES = ("chat@c8", "chat@c8@eu", "chat@c8@us", "rag@c1@us")
VIEWS = ("/?", f"/llm?name={ONE}&", f"/compare?llm={ONE}&llm={OTHER}&")


@pytest.fixture
def measured(conn):
    """Two LLMs, measured in four scenarios from two regions and none."""
    with conn:
        for name in (ONE, OTHER):
            add_llm(conn, name)
        for name in NAMES:
            add_scenario(conn, name)
    for name in NAMES:
        finish_run(conn, NOW, {llm: {"ttft": [0.2]} for llm in (ONE, OTHER)}, "measurement", name)
    show(conn, NOW)


def series(html: str) -> str:
    """The scenario that is shown."""
    return re.search(r'data-scenario="([^"]*)"', html)[1]


def options(html: str, name: str) -> list[str]:
    """What the selector offers, with a star at what is selected; empty without the selector."""
    found = re.search(rf'<select name="{name}">(.*?)</select>', html, re.DOTALL)
    return [f"{text}{'*' if mark else ''}" for mark, text in
            re.findall(r'<option value="[^"]*"( selected)?>([^<]*)', found[1] if found else "")]  # fmt: skip


def test_each_view_offers_each_scenario_once_and_the_regions_that_it_is_measured_from(measured, reader):
    for view in VIEWS:
        html = reader.get(f"{view}scenario=chat@c8&region=us").text
        assert series(html) == "chat@c8@us", view
        assert options(html, "scenario") == ["chat@c8*", "rag@c1"]
        assert options(html, "region") == ["None", "eu", "us*"]

        html = reader.get(f"{view}scenario=rag@c1&region=us").text
        assert options(html, "region") == ["us*"], view


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        ("scenario=chat@c8&region=", "chat@c8"),
        ("scenario=chat@c8@eu", "chat@c8@eu"),
        ("region=eu", "chat@c8@eu"),
        # The selected region is that of another scenario.
        ("scenario=rag@c1&region=eu", "rag@c1@us"),
        ("scenario=rag@c1", "rag@c1@us"),
    ],
)
def test_a_scenario_is_shown_from_the_region_that_is_selected_or_one_that_it_has(
    measured, reader, asked, shown
):
    html = reader.get(f"/?{asked}").text

    assert series(html) == shown
    (tab,) = re.findall(r'href="/\?([^"]+)">Tokens per second', html)
    assert f"scenario={shown}" in tab.split("&amp;")
    assert "region=" not in tab


@pytest.mark.parametrize(
    ("asked", "problem"),
    [
        ("scenario=chat@c8@us&region=eu", "contradicts the scenario, which is in us"),
        ("scenario=chat@c8@asia", "unknown scenario"),
        ("region=asia", "nothing has been measured from there"),
        ("region=E", "must be 1 to 31 of the characters"),
    ],
)
def test_a_region_that_does_not_fit_is_refused_with_the_reason(measured, reader, asked, problem):
    response = reader.get(f"/?{asked}")

    assert response.status_code == 422
    assert problem in response.text


def test_runs_are_listed_of_one_region_or_of_all_and_name_it(measured, reader):
    counts = {
        "": 8,
        "scenario=chat@c8": 6,
        "scenario=chat@c8&region=eu": 2,
        "scenario=chat@c8@eu": 2,
        "region=us": 4,
        "scenario=rag@c1&region=eu": 0,
    }
    for asked, count in counts.items():
        assert reader.get(f"/runs?{asked}").text.count('data-label="Source"') == count, asked

    html = reader.get("/runs?region=eu").text
    assert "<bdi>chat@c8 from eu</bdi>" in html
    assert options(html, "region") == ["All", "eu*", "us"]
    assert reader.get("/runs?scenario=lost").status_code == 422


def test_without_regions_no_view_has_the_selector(conn, reader):
    with conn:
        add_scenario(conn, "chat@c8")
    finish_run(conn, NOW, {"GPT-4o": {"ttft": [0.2]}}, "measurement", "chat@c8")
    show(conn, NOW)

    for view in ("/?", "/llm?name=GPT-4o&", "/compare?llm=GPT-4o&llm=Llama+3.1+70B&", "/runs?"):
        html = reader.get(view).text
        assert options(html, "region") == [], view
        assert options(html, "scenario"), view


def test_a_badge_is_of_the_region_that_is_asked_for(measured, reader):
    for name in ("ttft", "availability", "status"):
        for asked, status in (("scenario=chat@c8&region=eu", 200), ("region=eu", 200), ("region=E", 422)):
            assert reader.get(f"/badges/{ONE}/{name}.svg?{asked}").status_code == status, (name, asked)
