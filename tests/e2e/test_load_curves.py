"""Load curves of two LLMs, of which one is a measured mock server, and of twelve."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from math import inf

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from llm_measure import validity
from llm_measure.client.level import measure_level
from llm_measure.endpoints import Endpoint
from llm_measure.mock_server.behaviour import Behaviour
from llm_measure.mock_server.process import running_mock_server
from llm_measure.workloads import Load, Workload
from tests.e2e.system import ODD_NAMES, web_server
from tests.e2e.test_looks import SERIOUS, WIDTHS
from tests.endpoints import BUSY_LIMITS
from tests.load_curves import LEVELS, store_levels
from tests.measured import measurement, store_level
from tests.plain_role import create_database, plain
from tests.support import run_sql
from webapp.ingest.publish import publish
from webapp.redis import queue_redis
from webapp.settings import Settings
from webapp.store import connect

NOW = datetime.now(UTC).replace(microsecond=0)
SLOWDOWN = 0.2  # of which the knee is at 4 streams
# Whether the table is as wide as the chart, which a style of other levels once prevented.
FILLED = """() => document.querySelector("table.levels tbody").offsetWidth
    === document.querySelector("figure.curves").offsetWidth"""
TWELVE = [*ODD_NAMES, *(f"LLM {number}" for number in range(12 - len(ODD_NAMES)))]


@pytest.fixture(scope="module")
def address(server_environment, template, folder):
    """A server whose workload `chat` has a measured LLM and another one, and `many` twelve."""
    create_database(server_environment, "curves", template)
    environment = plain(server_environment, "curves")
    settings = Settings.from_env(environment)
    with closing(connect(settings)) as conn, closing(queue_redis(settings)) as redis:
        measure(conn, settings, redis)
        store_levels(conn, NOW, {"Another": 0.03})
        many = {name: 0.01 * (1 + number) for number, name in enumerate(TWELVE)}
        store_levels(conn, NOW, many, levels=LEVELS[:4], name="many@c{}".format)
        store_levels(conn, NOW, {"Another": 0.02}, levels=(1, 2), name="chat@r{}@eu".format)
        publish(conn, settings, redis)
    with web_server(environment, folder) as url:
        yield url
    run_sql(server_environment, "DROP DATABASE curves WITH (FORCE)")


@contextmanager
def lenient():
    """Takes each level for valid although this machine is busy."""
    with pytest.MonkeyPatch.context() as patch:
        for limit in BUSY_LIMITS:
            patch.setattr(validity, limit, inf)
        patch.setattr(validity, "MIN_HELD", 0)
        yield


def measure(conn, settings, redis) -> None:
    """Measure a mock server that slows down with each stream, and store each level as a worker does."""
    workload = Workload(input_tokens=16, output_tokens=8, slo={"ttft": 0.05})
    with lenient(), running_mock_server(Behaviour(ttft=0.02, itl=0.005, slowdown_per_stream=SLOWDOWN)) as url:
        for streams in LEVELS:
            load = Load(concurrency=streams, requests=3 * streams, warmup=streams)
            with ThreadPoolExecutor() as threads:  # Playwright's event loop runs in this one
                result = threads.submit(measure_level, Endpoint(url, "mock"), workload, load).result()
            what = measurement("Mock", workload=workload, load=load)
            assert store_level(conn, settings, redis, NOW - timedelta(minutes=1), what, result) is None


@pytest.fixture
def tab(open_tab, address):
    tab = open_tab(address, reduced_motion="reduce")
    tab.sign_in()
    return tab


def opacities(tab) -> list[float]:
    return tab.page.eval_on_selector_all(".curve", "all => all.map(each => +getComputedStyle(each).opacity)")


def test_a_measured_curve_is_shown_with_its_knee_and_slo_and_a_table(tab):
    tab.page.get_by_role("link", name="Load curves").click()

    expect(tab.page.get_by_role("heading", level=1)).to_have_text("Load curves")
    expect(tab.page.get_by_label("Workload")).to_have_value("chat")
    expect(tab.page.locator(".curve")).to_have_count(2)
    expect(tab.page.locator(".slo-name")).to_have_text("SLO 0.05 s")
    rows = tab.page.locator("table.levels tbody tr").filter(has_text="Mock")
    expect(rows.locator("td:nth-child(2)").filter(has_text="Knee")).to_have_count(1)
    assert rows.locator("td a").all_inner_texts() == [f"chat@c{level}" for level in LEVELS]
    assert {"Met", "Missed"} <= set(rows.locator(".badge").all_inner_texts())

    tab.page.get_by_role("link", name="Per user and in total").click()
    expect(tab.page.locator("figcaption")).to_contain_text("Mean of tokens per second of a user")
    tab.page.get_by_label("Sort table").select_option("value")
    tab.page.wait_for_url("**order=value**")
    values = tab.page.locator("table.levels td.strong").evaluate_all(
        "cells => cells.map(cell => parseFloat(cell.firstChild.textContent))"
    )
    assert values == sorted(values, reverse=True)


def test_of_twelve_lines_each_looks_different_and_can_be_highlighted(tab):
    tab.goto("/load-curves?workload=chat&region=eu")
    expect(tab.page.locator(".curve")).to_have_count(1)
    tab.page.get_by_label("Workload").select_option("many")  # which has no such region
    expect(tab.page.locator(".curve")).to_have_count(12)
    strokes = "all => all.map(each => getComputedStyle(each).stroke)"
    assert len(set(tab.page.eval_on_selector_all(".segment", strokes))) == 12
    assert set(tab.page.locator(".legend bdi").all_inner_texts()) == set(TWELVE)
    assert opacities(tab) == [1] * 12
    expect(tab.page.locator(".level").first).to_be_hidden()

    tab.page.locator(".legend a").nth(2).focus()
    tab.page.keyboard.press("Tab")
    assert [number for number, opacity in enumerate(opacities(tab)) if opacity == 1] == [3]
    expect(tab.page.locator(".curve").nth(3).locator(".level").first).to_be_visible()
    tab.page.locator("h1").click()
    tab.page.locator(".curve").nth(5).locator(".dot").last.hover()
    assert [number for number, opacity in enumerate(opacities(tab)) if opacity == 1] == [5]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_the_window_and_axe_finds_no_serious_violation(open_tab, address, scheme):
    tab = open_tab(address, color_scheme=scheme, reduced_motion="reduce")
    tab.sign_in()
    overflows = {}
    for workload in ("chat", "many"):  # of which chat has a column more, for its SLO
        tab.goto(f"/load-curves?workload={workload}")
        for width in WIDTHS:
            tab.page.set_viewport_size({"width": width, "height": 900})
            overflows[workload, width] = tab.overflow()
    violations = Axe().run(tab.page).response["violations"]

    assert set(overflows.values()) == {0}, overflows
    assert tab.page.evaluate(FILLED)
    assert [each["id"] for each in violations if each["impact"] in SERIOUS] == []
    tab.page.emulate_media(media="print")
    expect(tab.page.locator("header.top")).to_be_hidden()
    expect(tab.page.locator("table.levels")).to_be_visible()
