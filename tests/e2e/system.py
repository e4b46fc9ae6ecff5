"""The whole system as a browser meets it: gunicorn, scheduler, worker, PostgreSQL and Redis, all real."""

import os
import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, Page
from redis import Redis

from jobs.simulation_run import fill_slot
from tests.support import KEY
from tests.web import serving
from webapp.ingest.publish import publish
from webapp.settings import Settings
from webapp.store import connect, llms

ODD_NAMES = (
    "<script>document.title = 'run'</script><img src=x onerror=\"document.title = 'run'\">",
    "\"quoted\" & 'single' </table></script>",
    "نموذج اللغة العربية ٣",
    "x" * 100,
    "{{ 7 * 7 }} ${7 * 7} %s",
)
OF_CHROMIUM = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
# The browser reports an answer of 4xx as an error of its own.
FAILED = "Failed to load resource: the server responded with a status of"
VIEWS = {
    "leaderboard": "/",
    "llm": "/llm?name=GPT-4o&window=24h",
    "compare": "/compare?llm=GPT-4o&llm=Llama+3.1+70B&llm=Claude+3.5+Sonnet",
    "compare nothing": "/compare",
    "runs": "/runs",
}


def chromium() -> str:
    """Where `make tests-e2e` has found it."""
    return os.environ["CHROMIUM"]


class Tab:
    """A tab of the browser that notes every error and every request to another host."""

    def __init__(self, browser: Browser, url: str, **options: object):
        self.context: BrowserContext = browser.new_context(**options)
        self.page: Page = self.context.new_page()
        self.url = url
        self.errors: list[str] = []
        self.strays: list[str] = []
        self.page.on("console", lambda message: message.type == "error" and self.errors.append(message.text))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("dialog", lambda dialog: self.errors.append(f"dialog: {dialog.message}"))
        self.context.on("request", self._note_stray)

    def _note_stray(self, request) -> None:
        if not request.url.startswith((f"{self.url}/", "blob:", "data:")):
            self.strays.append(request.url)

    def goto(self, path: str) -> None:
        self.page.goto(self.url + path)

    def sign_in(self, key: str = KEY) -> None:
        self.goto("/sign-in")
        self.page.get_by_label("API key").fill(key)
        self.page.get_by_role("button", name="Sign in").click()

    def names(self) -> list[str]:
        """The LLMs on the leaderboard, from the first row on."""
        return self.page.locator("table.board tbody th.name a").all_inner_texts()

    def means(self) -> list[float]:
        """Their means, in the same order."""
        texts = self.page.locator("table.board td.mean .value").all_inner_texts()
        return [float(text.replace(",", "")) for text in texts]

    def overflow(self) -> int:
        """By how many pixels the page is wider than the window."""
        return self.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )

    def mark(self) -> None:
        """Note something that a reload would forget."""
        self.page.evaluate("window.notReloaded = true")

    def was_not_reloaded(self) -> bool:
        return self.page.evaluate("window.notReloaded === true")

    def forgive(self, pattern: str) -> None:
        """Take out errors that a test has brought about on purpose."""
        self.errors = [error for error in self.errors if not re.search(pattern, error)]

    def close(self) -> None:
        self.context.close()
        assert self.errors == []
        assert self.strays == []


@contextmanager
def tab(browser: Browser, url: str, **options: object) -> Iterator[Tab]:
    opened = Tab(browser, url, **options)
    yield opened
    opened.close()


@contextmanager
def web_server(environment: dict[str, str], folder: Path, **changes: str) -> Iterator[str]:
    """gunicorn with the page; yields its address."""
    with serving(environment, folder, **changes) as server:
        yield server.url


def add_llms(settings: Settings, names: tuple[str, ...]) -> None:
    with closing(connect(settings)) as conn:
        for name in names:
            llms.insert(conn, name, name, "provider")
        conn.commit()


def fill(settings: Settings, slots: int, newest: timedelta = timedelta(minutes=1)) -> None:
    """Finish and show so many runs, an hour apart, of which the newest is so old; all differ."""
    now = datetime.now(UTC).replace(microsecond=0)
    with closing(connect(settings)) as conn, closing(Redis.from_url(settings.redis_url)) as redis:
        for number in reversed(range(slots)):
            slot = now - newest - timedelta(hours=number)
            fill_slot(conn, replace(settings, seed=number), slot, f"simulation-{int(slot.timestamp())}")
        publish(conn, redis)
