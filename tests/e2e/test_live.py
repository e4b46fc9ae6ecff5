"""New results without a reload."""

import re
from datetime import timedelta

import pytest
from playwright.sync_api import expect

from tests.e2e.system import fill, web_server
from tests.jobs.system import Processes
from webapp.settings import Settings

ROWS = "table.board tbody tr"


@pytest.fixture
def fresh(environment, folder, open_tab):
    """A tab, signed in to a system without runs, scheduler or worker; its processes and environment."""
    environment = {**environment, "POINTS_PER_RUN": "50"}
    processes = Processes(environment)
    with web_server(environment, folder) as address:
        tab = open_tab(address)
        tab.sign_in()
        yield tab, processes, environment
        tab.page.goto("about:blank")
        processes.kill_all()


def test_the_first_run_appears_without_a_reload(fresh):
    tab, processes, _ = fresh
    expect(tab.page.get_by_role("heading", name="No data yet")).to_be_visible()
    tab.mark()

    processes.scheduler("--run-now")
    expect(tab.page.get_by_role("heading", name="First run queued")).to_be_visible()
    processes.worker()

    expect(tab.page.locator(ROWS)).to_have_count(3)
    assert tab.was_not_reloaded()


def test_a_new_run_updates_the_page_and_keeps_the_selection(fresh):
    tab, _, environment = fresh
    fill(Settings.from_env(environment), slots=2, newest=timedelta(hours=1))
    expect(tab.page.locator(ROWS)).to_have_count(3)
    before = tab.means()
    tab.mark()
    tab.page.get_by_role("checkbox", name="Compare GPT-4o").check()

    fill(Settings.from_env({**environment, "POINTS_PER_RUN": "20"}), slots=1)

    expect(tab.page.locator("#news")).to_have_text("New results")
    assert tab.means() != before
    assert tab.was_not_reloaded()
    expect(tab.page.get_by_role("checkbox", name="Compare GPT-4o")).to_be_checked()


def test_the_age_of_the_last_update_and_a_lost_connection_are_shown(tab):
    tab.goto("/")
    status = tab.page.locator("#live-text")
    expect(status).to_have_text(re.compile(r"Updated [2-5] s ago"))
    expect(status).to_have_text(re.compile(r"Updated 0 s ago"))

    tab.context.set_offline(True)
    expect(status).to_have_text(re.compile(r"Disconnected, updated \d+ s ago"))
    tab.page.set_viewport_size({"width": 390, "height": 900})
    assert tab.overflow() == 0
    tab.context.set_offline(False)
    expect(status).to_have_text(re.compile(r"^Updated"))
    tab.forgive("ERR_INTERNET_DISCONNECTED")


def test_run_now_shows_the_progress_and_the_result_of_the_run(tab):
    tab.goto("/")
    tab.page.get_by_role("button", name="Run now").click()

    expect(tab.page).to_have_url(re.compile(r"/runs\?job_id=simulation-\d+$"))
    tab.mark()
    expect(tab.page.locator("#job")).to_contain_text("Your run finished.")
    expect(tab.page.locator("table.runs tbody tr")).to_have_count(8)
    assert tab.was_not_reloaded()
    assert set(tab.page.locator("table.runs .badge").all_inner_texts()) == {"Finished"}
