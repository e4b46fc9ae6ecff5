"""Regions on the page: their selector, and the notice that no worker serves one."""

from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import expect

from jobs.embedded import EmbeddedRedis
from jobs.worker import make_worker
from tests.e2e.system import web_server
from tests.incidents import store_incident
from tests.measured import answered, level, measurement, store_level
from tests.plain_role import create_database, plain
from tests.support import run_sql
from webapp.ingest.publish import publish
from webapp.redis import queue_redis
from webapp.settings import Settings
from webapp.store import connect

FILE = """
llms: [{name: Fast, base_url: "http://localhost:1/v1", model: mock}]
workloads: [{name: chat, concurrency: 8, requests: 9, regions: [eu, us]}]
"""
PLACES = [("chat", None), ("chat", "eu"), ("chat", "us"), ("rag", "us")]


@pytest.fixture(scope="module")
def regional(server_environment, template, folder):
    """The address of a page on which two LLMs are measured from two regions and none, and its settings.

    No worker runs; the benchmark file asks for both regions.
    """
    create_database(server_environment, "regional", template)
    redis = EmbeddedRedis(folder / "regional-redis")
    redis.start()
    (folder / "regions.yml").write_text(FILE)
    environment = {
        **plain(server_environment, "regional"),
        **redis.environment,
        "BENCHMARK_FILE": str(folder / "regions.yml"),
    }
    settings = Settings.from_env(environment)
    now = datetime.now(UTC).replace(microsecond=0)
    with closing(connect(settings)) as conn, closing(queue_redis(settings)) as client:
        for hours in (2, 1):
            for number, (name, region) in enumerate(PLACES):
                for llm, factor in (("Fast", 1), ("Slow", 2)):
                    ttft = 0.1 * factor * (number + 1)
                    result = level([answered(index, ttft + 0.01 * index) for index in range(9)])
                    of = measurement(llm, workload_name=name, region=region)
                    store_level(conn, settings, client, now - timedelta(hours=hours), of, result)
        store_incident(conn, "Slow", source="measurement", scenario="chat@c8@eu", opened=now)
        publish(conn, settings, client)
    with web_server(environment, folder) as address:
        yield address, settings
    redis.stop()
    run_sql(server_environment, "DROP DATABASE regional WITH (FORCE)")


def test_the_region_is_selected_next_to_the_scenario_and_the_page_stays_on_it(open_tab, regional):
    tab = open_tab(regional[0])
    tab.sign_in()
    scenario, region = (tab.page.locator(f"select[name={name}]") for name in ("scenario", "region"))
    board = tab.page.locator("form[data-scenario]")
    expect(scenario.locator("option")).to_have_text(["chat@c8", "rag@c8"])

    region.select_option("eu")
    expect(board).to_have_attribute("data-scenario", "chat@c8@eu")
    tab.mark()
    tab.page.evaluate("poll()")
    expect(region).to_have_value("eu")

    scenario.select_option("rag@c8")
    expect(board).to_have_attribute("data-scenario", "rag@c8@us")
    expect(region.locator("option")).to_have_text(["us"])
    tab.page.evaluate("poll()")
    expect(tab.page.locator("#live")).not_to_contain_text("Disconnected")

    tab.page.locator("select[name=source]").select_option("simulation")
    expect(board).to_have_attribute("data-scenario", "default")
    expect(region).to_have_count(0)


def test_a_region_without_workers_is_named_until_one_serves_it(open_tab, regional):
    address, settings = regional
    tab = open_tab(address)
    tab.sign_in()
    notices = tab.page.locator(".notice")
    expect(notices).to_have_text(
        ["No worker serves regions eu, us: their runs wait. Start one for each, as with REGION=eu."]
    )
    tab.mark()

    with closing(queue_redis(settings)) as client:
        make_worker(replace(settings, region="us"), client).register_birth()

    expect(notices).to_have_text(["No worker serves region eu: its runs wait. Start one with REGION=eu."])
    assert tab.was_not_reloaded()
