"""A browser, and a system with some hours of runs."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from jobs.embedded import EmbeddedRedis
from tests.e2e.system import (
    CHROMIUM_ARGUMENTS,
    ODD_NAMES,
    Tab,
    add_incidents,
    add_llms,
    chromium,
    fill,
    web_server,
)
from tests.jobs.system import Processes
from tests.plain_role import create_database, plain
from tests.support import run_sql
from webapp.settings import Settings

TIMEOUT_MS = 20_000


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=TIMEOUT_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=CHROMIUM_ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def running(server_environment: dict[str, str], template: str, folder: Path) -> Iterator[dict[str, str]]:
    """The environment of a system with five hours of runs, LLMs with odd names, a scheduler and a worker."""
    create_database(server_environment, "e2e", template)
    redis = EmbeddedRedis(folder / "e2e-redis")
    redis.start()
    environment = {**plain(server_environment, "e2e"), **redis.environment, "POINTS_PER_RUN": "50"}
    settings = Settings.from_env(environment)
    add_llms(settings, ODD_NAMES)
    add_incidents(settings)
    fill(settings, slots=5)
    processes = Processes(environment)
    processes.scheduler()
    processes.worker()
    yield environment
    processes.kill_all()
    redis.stop()
    run_sql(server_environment, "DROP DATABASE e2e WITH (FORCE)")


@pytest.fixture(scope="session")
def url(running: dict[str, str], folder: Path) -> Iterator[str]:
    """The address at which that system serves the page."""
    with web_server(running, folder) as address:
        yield address


@pytest.fixture
def open_tab(browser: Browser, url: str) -> Iterator[Callable[..., Tab]]:
    """Opens tabs, not signed in; closing one checks that it saw no error and no request to another host."""
    tabs = []

    def open_one(address: str = url, **options: object) -> Tab:
        tabs.append(Tab(browser, address, **options))
        return tabs[-1]

    yield open_one
    for each in tabs:
        each.close()


@pytest.fixture
def tab(open_tab: Callable[..., Tab]) -> Tab:
    """A tab that has signed in."""
    opened = open_tab()
    opened.sign_in()
    return opened
