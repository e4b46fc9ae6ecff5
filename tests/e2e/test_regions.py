"""The selector of regions: it follows the scenario, and the page stays on what is selected."""

from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import expect

from jobs.embedded import EmbeddedRedis
from tests.e2e.system import web_server
from tests.incidents import store_incident
from tests.measured import answered, level, measurement, store_level
from tests.plain_role import create_database, plain
from tests.support import run_sql
from webapp.ingest.publish import publish
from webapp.redis import queue_redis
from webapp.settings import Settings
from webapp.store import connect

PLACES = [("chat", None), ("chat", "eu"), ("chat", "us"), ("rag", "us")]


@pytest.fixture(scope="module")
def regional(server_environment, template, folder):
    """The address of a page on which two LLMs are measured from two regions and none."""
    create_database(server_environment, "regional", template)
    redis = EmbeddedRedis(folder / "regional-redis")
    redis.start()
    environment = {**plain(server_environment, "regional"), **redis.environment}
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
        yield address
    redis.stop()
    run_sql(server_environment, "DROP DATABASE regional WITH (FORCE)")


def test_the_region_is_selected_next_to_the_scenario_and_the_page_stays_on_it(open_tab, regional):
    tab = open_tab(regional)
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
