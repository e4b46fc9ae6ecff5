"""The notices on every page that the refresh of the views fails, or that the benchmark file is faulty."""

import pytest

from webapp.page import notices
from webapp.plan.shared import FAULTS, Report, SharedPlan

NOTICE = "Refresh failing: runs that ended since <time>20"


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


@pytest.mark.usefixtures("failing")
@pytest.mark.parametrize("path", ["/", "/runs", "/compare", "/llm?name=GPT-4o"])
def test_is_on_every_view_and_on_its_updates_until_a_refresh_succeeds(visitor, show_next_run, path):
    assert NOTICE in visitor.get(path).text
    live = visitor.get(f"/live{path}")
    assert live.headers[notices.REFRESH_HEADER].startswith("20")
    held = {"If-None-Match": live.headers["ETag"]}
    assert notices.REFRESH_HEADER in visitor.get(f"/live{path}", headers=held).headers

    show_next_run()

    assert NOTICE not in visitor.get(path).text
    assert notices.REFRESH_HEADER not in visitor.get(f"/live{path}").headers


@pytest.mark.parametrize("path", ["/", "/runs"])
def test_of_a_faulty_benchmark_file_is_shown_while_a_scheduler_reports_it(visitor, settings, redis, path):
    notice = "Benchmark file faulty since <time>2026-11-24 12:00"
    SharedPlan(settings, redis).report(Report(faults=2, since=1_795_521_600))
    assert notice in visitor.get(path).text
    assert visitor.get(f"/live{path}").headers[notices.FILE_HEADER] == "2026-11-24T12:00:00+00:00"

    redis.delete(FAULTS)

    assert notice not in visitor.get(path).text
    assert notices.FILE_HEADER not in visitor.get(f"/live{path}").headers


def test_is_hidden_while_refreshes_succeed(visitor, show_next_run):
    show_next_run()

    assert 'id="refresh-failing" role="status" hidden>' in visitor.get("/").text
