"""Searches for the capacity in a browser: the run's page, the leaderboard and an LLM's page."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from jobs.embedded import EmbeddedRedis
from tests.e2e.system import web_server
from tests.plain_role import create_database, plain
from tests.searched import found, searched, step, store_search
from tests.support import run_sql
from webapp.ingest.publish import publish
from webapp.redis import cache_redis
from webapp.settings import Settings
from webapp.store import connect

LLMS = 12
PATH = [
    *(step(load, "met") for load in (1.0, 2.0, 4.0, 8.0)),
    *(step(load, verdict) for load, verdict in ((16.0, "missed"), (11.3, "met"), (13.5, "missed"))),
    step(12.4, "undecided"),
]
SEARCH = "/?source=measurement&scenario=chat@max"
WIDTHS = (390, 768, 1100, 1440)


@pytest.fixture(scope="module")
def url(server_environment: dict[str, str], template: str, folder: Path) -> Iterator[str]:
    """The address of a server with searches of 12 LLMs, the first of which has one each day of a week."""
    create_database(server_environment, "searches", template)
    redis = EmbeddedRedis(folder / "searches-redis")
    redis.start()
    environment = {**plain(server_environment, "searches"), **redis.environment}
    settings = Settings.from_env(environment)
    now = datetime.now(UTC).replace(microsecond=0)
    with closing(connect(settings)) as conn, closing(cache_redis(settings)) as cache:
        for days in range(7):
            result = replace(found(11.3, 13.5, path=PATH), capacity=12.2 + days / 10)
            store_search(conn, settings, cache, now - timedelta(days=days), result, job_id=f"first-{days}")
        for number in range(2, LLMS + 1):
            result = found(float(number), number * 1.1)
            store_search(conn, settings, cache, now, result, searched(f"LLM {number}"), f"job-{number}")
        publish(conn, settings, cache)
    with web_server(environment, folder) as address:
        yield address
    redis.stop()
    run_sql(server_environment, "DROP DATABASE searches WITH (FORCE)")


def test_the_leaderboard_ranks_capacities_by_their_brackets_and_has_no_other_metric(tab):
    tab.goto(SEARCH)

    expect(tab.page.get_by_role("heading", level=1)).to_have_text("Capacity")
    assert len(tab.names()) == LLMS
    assert tab.names()[0] == "Measured"
    expect(tab.page.locator("table.board td.mean .interval").first).to_have_text("11.3 to 13.5")
    expect(tab.page.locator(".tabs a")).to_have_count(1)


def test_the_runs_page_draws_each_level_and_its_table_has_the_verdicts(tab):
    tab.goto("/run?id=1")

    expect(tab.page.locator(".searched")).to_contain_text("12.2 requests/s. The bracket is 11.3 to 13.5")
    pictures = tab.page.locator("svg.search-path")
    expect(pictures).to_have_count(2)
    expect(pictures.first.locator("circle")).to_have_count(len(PATH))
    verdicts = tab.page.locator(".searched table .verdict")
    assert verdicts.all_inner_texts() == [each.verdict.capitalize() for each in PATH]


def test_an_llms_page_has_the_capacity_over_time(tab):
    tab.goto("/llm?name=Measured&source=measurement&scenario=chat@max&window=7d")

    expect(tab.page.locator("article.metric h2")).to_have_text(["Capacity"])
    expect(tab.page.locator("article.metric .plot canvas").first).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("view", ["/run?id=1", SEARCH])
def test_it_fits_every_window_and_axe_finds_no_serious_violation(open_tab, view, scheme):
    tab = open_tab(color_scheme=scheme, reduced_motion="reduce")
    tab.sign_in()
    overflows = {}
    for width in WIDTHS:
        tab.page.set_viewport_size({"width": width, "height": 900})
        tab.goto(view)
        overflows[width] = tab.overflow()
    violations = Axe().run(tab.page).response["violations"]

    assert overflows == dict.fromkeys(WIDTHS, 0)
    assert [each["id"] for each in violations if each["impact"] in ("serious", "critical")] == []
