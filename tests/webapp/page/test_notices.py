"""The notices on every page: the refresh of the views, the benchmark file, regions without workers."""

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest

from jobs.worker import make_worker
from tests.measured import measurement
from webapp.page import notices
from webapp.plan.shared import FAULTS, Report, SharedPlan

NOTICE = "Refresh failing: runs that ended since 20"


@pytest.fixture(autouse=True)
def fresh_notices(monkeypatch):
    """Lets each request look, instead of relying on what the process has read."""
    monkeypatch.setattr(notices, "RELIED_SECONDS", 0.0)


@pytest.fixture
def visitor(make_app):
    """A visitor of the public page."""
    return make_app(public_dashboard=True).test_client()


@pytest.fixture
def failing(conn, show_next_run):
    """A run ended five minutes ago and is not shown."""
    show_next_run()
    with conn, conn.cursor() as cursor:
        cursor.execute("UPDATE runs SET generation = NULL, finished_at = now() - interval '5 minutes'")


def texts(response) -> list[str]:
    """The notices that the script shows."""
    return json.loads(response.headers.get(notices.HEADER, "[]"))


def plan(client, *regions: str | None) -> None:
    """Measure from these regions."""
    planned = [measurement(region=region) for region in regions]
    client.application.extensions["plan"] = SimpleNamespace(measurements=lambda: planned)


@pytest.mark.usefixtures("failing")
@pytest.mark.parametrize("path", ["/", "/runs", "/compare", "/llm?name=GPT-4o"])
def test_is_on_every_view_and_on_its_updates_until_a_refresh_succeeds(visitor, show_next_run, path):
    assert NOTICE in visitor.get(path).text
    live = visitor.get(f"/live{path}")
    (text,) = texts(live)
    assert text.startswith(NOTICE)
    assert texts(visitor.get(f"/live{path}", headers={"If-None-Match": live.headers["ETag"]})) == [text]

    show_next_run()

    assert NOTICE not in visitor.get(path).text
    assert texts(visitor.get(f"/live{path}")) == []


@pytest.mark.parametrize("path", ["/", "/runs"])
def test_of_a_faulty_benchmark_file_is_shown_while_a_scheduler_reports_it(visitor, settings, redis, path):
    notice = "Benchmark file faulty since 2026-11-24 12:00 UTC: the previous plan is used."
    SharedPlan(settings, redis).report(Report(faults=2, since=1_795_521_600))
    assert notice in visitor.get(path).text
    assert texts(visitor.get(f"/live{path}")) == [f"{notice} The scheduler's log has the faults."]

    redis.delete(FAULTS)

    assert notice not in visitor.get(path).text
    assert texts(visitor.get(f"/live{path}")) == []


@pytest.mark.parametrize("path", ["/", "/runs"])
def test_of_a_region_is_shown_until_a_worker_serves_it(visitor, settings, redis, path):
    plan(visitor, "eu", "us", None)
    both = "No worker serves regions eu, us: their runs wait. Start one for each, as with REGION=eu."
    assert texts(visitor.get(f"/live{path}")) == [both]

    workers = [make_worker(replace(settings, region=region), redis) for region in ("us", "eu")]
    workers[0].register_birth()
    one = "No worker serves region eu: its runs wait. Start one with REGION=eu."
    assert f'<p class="notice">{one}</p>' in visitor.get(path).text
    assert texts(visitor.get(f"/live{path}")) == [one]

    workers[1].register_birth()
    assert "No worker serves" not in visitor.get(path).text
    assert texts(visitor.get(f"/live{path}")) == []


def test_of_a_region_is_left_out_while_redis_is_down(make_app, own_redis):
    visitor = make_app(redis_host=str(own_redis.socket), public_dashboard=True).test_client()
    plan(visitor, "eu")
    assert "No worker serves region eu" in visitor.get("/").text

    own_redis.stop()

    response = visitor.get("/")
    assert response.status_code == 200
    assert texts(response) == []


def test_is_left_out_while_nothing_fails(visitor, show_next_run):
    show_next_run()

    assert 'class="notice"' not in visitor.get("/").text
    assert notices.HEADER not in visitor.get("/live/").headers
