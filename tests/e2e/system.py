"""The whole system behind a browser: real gunicorn, scheduler, worker, PostgreSQL and Redis."""

import os
import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, Page

from jobs.simulation_run import fill_slot
from tests.incidents import store_availability, store_incident
from tests.support import KEY
from tests.web import serving
from webapp.ingest.publish import publish
from webapp.redis import queue_redis
from webapp.settings import Settings
from webapp.store import connect, llms

ODD_NAMES = (
    "<script>document.title = 'run'</script><img src=x onerror=\"document.title = 'run'\">",
    "\"quoted\" & 'single' </table></script>",
    "نموذج اللغة العربية ٣",
    "x" * 100,
    "{{ 7 * 7 }} ${7 * 7} %s",
)
CHROMIUM_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
# The browser reports a 4xx response as an error in its console.
FAILED = "Failed to load resource: the server responded with a status of"
VIEWS = {
    "leaderboard": "/",
    "llm": "/llm?name=GPT-4o&window=24h",
    "compare": "/compare?llm=GPT-4o&llm=Llama+3.1+70B&llm=Claude+3.5+Sonnet",
    "compare nothing": "/compare",
    "load curves": "/load-curves",
    "runs": "/runs",
    "run": "/run?id=1",
    "incidents": "/incidents",
    "incident": "/incidents/1",
    "status": "/status",
}


def chromium() -> str:
    """Return the path that `make tests-e2e` passes on."""
    return os.environ["CHROMIUM"]


class Tab:
    """A browser tab that records every error and every request to another host."""

    def __init__(self, browser: Browser, url: str, **options: object):
        self.context: BrowserContext = browser.new_context(**options)
        self.page: Page = self.context.new_page()
        self.url = url
        self.errors: list[str] = []
        self.strays: list[str] = []
        self.page.on("console", lambda message: message.type == "error" and self.errors.append(message.text))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("dialog", lambda dialog: self.errors.append(f"dialog: {dialog.message}"))
        self.context.on("request", self._record_stray)

    def _record_stray(self, request) -> None:
        if not request.url.startswith((f"{self.url}/", "blob:", "data:")):
            self.strays.append(request.url)

    def goto(self, path: str) -> None:
        self.page.goto(self.url + path)

    def sign_in(self, key: str = KEY) -> None:
        self.goto("/sign-in")
        self.page.get_by_label("API key").fill(key)
        self.page.get_by_role("button", name="Sign in").click()

    def names(self) -> list[str]:
        """The LLMs on the leaderboard, in the order of the rows."""
        return self.page.locator("table.board tbody th.name > a:not(.badge)").all_inner_texts()

    def means(self) -> list[float]:
        """The means on the leaderboard, in the same order."""
        texts = self.page.locator("table.board td.mean .value").all_inner_texts()
        return [float(text.replace(",", "")) for text in texts]

    def overflow(self) -> int:
        """The number of pixels by which the page is wider than the window."""
        return self.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )

    def mark(self) -> None:
        """Set something that a reload would remove."""
        self.page.evaluate("window.notReloaded = true")

    def was_not_reloaded(self) -> bool:
        return self.page.evaluate("window.notReloaded === true")

    def forgive(self, pattern: str) -> None:
        """Remove the errors that a test provoked on purpose."""
        self.errors = [error for error in self.errors if not re.search(pattern, error)]

    def close(self) -> None:
        self.context.close()
        assert self.errors == [], self.errors
        assert self.strays == [], self.strays


@contextmanager
def web_server(environment: dict[str, str], folder: Path, **changes: str) -> Iterator[str]:
    """Run gunicorn; yield its address."""
    with serving(environment, folder, **changes) as server:
        yield server.url


def add_llms(settings: Settings, names: tuple[str, ...]) -> None:
    with closing(connect(settings)) as conn:
        for name in names:
            llms.insert(conn, name, name, "provider")
        conn.commit()


def add_incidents(settings: Settings) -> None:
    """Add open incidents of GPT-4o, Claude and the longest name, a resolved one, and some availability."""
    now = datetime.now(UTC).replace(microsecond=0)
    with closing(connect(settings)) as conn:
        store_incident(conn, opened=now - timedelta(hours=2), cause=ODD_NAMES[0])
        store_incident(
            conn, "Llama 3.1 70B", kind="down", severity="critical", metric=None, statistic=None,
            resolution="recovered", opened=now - timedelta(hours=3),
        )  # fmt: skip
        store_incident(conn, ODD_NAMES[3], severity="critical", opened=now - timedelta(hours=1))
        store_incident(conn, "Claude 3.5 Sonnet", severity="major", opened=now - timedelta(hours=1))
        for days in range(3):
            store_availability(conn, now - timedelta(days=days), finished=9, failed=days)


def fill(settings: Settings, slots: int, newest: timedelta = timedelta(minutes=1)) -> None:
    """Finish and publish runs, an hour apart, of which `newest` is the age of the newest; all differ."""
    now = datetime.now(UTC).replace(microsecond=0)
    with closing(connect(settings)) as conn, closing(queue_redis(settings)) as redis:
        for number in reversed(range(slots)):
            slot = now - newest - timedelta(hours=number)
            fill_slot(conn, replace(settings, seed=number), slot, f"simulation-{int(slot.timestamp())}")
        publish(conn, settings, redis)
