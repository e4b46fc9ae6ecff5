"""Texts that a measured server sends, on the pages that are not ours: /rq and /docs."""

from collections.abc import Iterator
from contextlib import closing

import pytest
from playwright.sync_api import expect
from rq import Worker
from rq.results import Result
from rq.serializers import JSONSerializer

from tests.e2e.system import Tab
from tests.support import KEY
from tests.web import KEYED
from webapp.queue.json_job import JSONJob
from webapp.queue.queues import QUEUE_NAME, runs_queue
from webapp.redis import queue_redis
from webapp.settings import Settings

MARKUP = "<img src=x onerror=\"document.title = 'run'\"><script>document.title = 'run'</script>'\"&lt;"
JOB = "hostile-1"
VIOLATION = "Content Security Policy"


@pytest.fixture
def hostile(running: dict[str, str]) -> Iterator[None]:
    """A failed job, the job of a busy worker, and a queue, each with markup in every text."""
    with closing(queue_redis(Settings.from_env(running))) as redis:
        queue = runs_queue(redis)
        job = JSONJob.create(MARKUP, args=(MARKUP,), id=JOB, origin=QUEUE_NAME, description=MARKUP,
                             meta={MARKUP: MARKUP}, status="failed", connection=redis)  # fmt: skip
        job.save()
        queue.failed_job_registry.add(job, 600, exc_string=MARKUP)
        Result.create_failure(job, 600, MARKUP)
        worker = Worker([queue], "hostile", connection=redis, serializer=JSONSerializer, job_class=JSONJob)
        worker.register_birth()
        worker.prepare_execution(job)
        redis.sadd("rq:queues", f"rq:queue:{MARKUP}")
        yield
        redis.srem("rq:queues", f"rq:queue:{MARKUP}")
        worker.register_death()
        queue.failed_job_registry.remove(job, delete_job=True)


@pytest.fixture
def dashboard(open_tab) -> Tab:
    return open_tab(http_credentials={"username": "any", "password": KEY})


@pytest.mark.usefixtures("hostile")
@pytest.mark.parametrize(
    ("path", "rows", "texts"),
    [
        ("/rq/", "#queues tbody", 1),
        (f"/rq/0/view/jobs/{QUEUE_NAME}/failed/8/asc/1", "#jobs tbody", 2),
        (f"/rq/0/view/job/{JOB}", "#job-data", 2),
        ("/rq/0/view/workers", "#workers tbody", 1),
    ],
)
def test_the_queues_dashboard_shows_markup_as_text(dashboard, path, rows, texts):
    dashboard.goto(path)

    shown = dashboard.page.locator(rows)
    expect(shown).to_contain_text(MARKUP)
    assert shown.inner_text().count(MARKUP) >= texts
    expect(dashboard.page).to_have_title("RQ dashboard")
    assert shown.locator("img, script").count() == 0


@pytest.mark.usefixtures("hostile")
def test_a_failed_job_can_still_be_requeued_there(dashboard):
    dashboard.goto(f"/rq/0/view/jobs/{QUEUE_NAME}/failed/8/asc/1")

    with dashboard.page.expect_response(f"**/rq/job/{JOB}/requeue") as response:
        dashboard.page.locator(f"tr[data-job-id={JOB}]").get_by_text("Requeue").click()
    assert response.value.status == 200


@pytest.mark.parametrize("attack", ["<img src=data:, onerror=alert(1)>", "<script>alert(1)</script>"])
def test_markup_that_got_into_the_dashboard_would_not_run(dashboard, attack):
    dashboard.goto("/rq/")
    with dashboard.page.expect_console_message(lambda message: VIOLATION in message.text):
        dashboard.page.evaluate("attack => { $('.container').append(attack) }", attack)

    dashboard.forgive(VIOLATION)


def test_swagger_ui_works_and_keeps_no_key(open_tab):
    tab = open_tab()
    tab.goto("/docs/")
    tab.page.get_by_role("button", name="Authorize").click()
    tab.page.locator(".auth-container", has_text="x-api-key").get_by_role("textbox").fill(KEY)
    tab.page.locator(".auth-container", has_text="x-api-key").get_by_role("button", name="Apply").click()
    tab.page.get_by_role("button", name="Close").first.click()
    tab.page.locator("#operations-rankings-rankings, [id^=operations-rankings]").first.click()
    tab.page.get_by_role("button", name="Try it out").click()
    with tab.page.expect_response("**/api/v1/benchmarks/rankings*") as response:
        tab.page.get_by_role("button", name="Execute").click()

    assert response.value.status == 200
    assert response.value.request.headers["x-api-key"] == KEYED["x-api-key"]
    assert tab.page.evaluate("Object.keys(localStorage)") == []
    assert tab.page.evaluate("Object.keys(sessionStorage)") == []
