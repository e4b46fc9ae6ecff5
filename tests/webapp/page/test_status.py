import re
from datetime import UTC, datetime, timedelta

import pytest

from tests.factories import archive_llm
from tests.incidents import store_availability, store_incident
from tests.webapp.api.shown_runs import show
from webapp.page import views

NOW = datetime.now(UTC).replace(microsecond=0)
HOUR = timedelta(hours=1)


@pytest.fixture
def public(make_app):
    """A visitor of the public page."""
    return make_app(public_dashboard=True).test_client()


def states(html):
    """The state of each LLM on the page."""
    return dict(
        re.findall(r'<bdi>([^<]+)</bdi></a></h2>\s*<span class="health [^"]+">.+?</span>([^<]+)<', html)
    )


def test_an_llm_with_recent_runs_and_no_incident_is_operational(conn, public):
    store_availability(conn, NOW, finished=3)

    html = public.get("/status").text

    assert states(html) == {"GPT-4o": "Operational"}
    assert "All LLMs operational" in html
    assert "<title>" + f"{NOW.day} {NOW:%b}: 100 % of 3 runs" in html


@pytest.mark.parametrize(
    ("kind", "state"), [("down", "Down"), ("degraded", "Degraded"), ("change", "Degraded")]
)
def test_an_open_incident_makes_it(conn, public, kind, state):
    store_availability(conn, NOW, finished=3)
    store_availability(conn, NOW, finished=3, llm="Llama 3.1 70B")
    metric = {"down": None, "degraded": "error_rate", "change": "ttft"}[kind]
    store_incident(conn, kind=kind, metric=metric, opened=NOW - HOUR)

    html = public.get("/status").text

    assert states(html) == {"GPT-4o": state, "Llama 3.1 70B": "Operational"}
    assert "1 of 2 LLMs affected" in html


def test_a_resolved_incident_does_not_and_is_listed_for_two_weeks(conn, public):
    store_availability(conn, NOW, finished=3)
    recent = store_incident(conn, resolution="recovered", opened=NOW - timedelta(days=13))
    store_incident(conn, resolution="recovered", opened=NOW - timedelta(days=15))

    html = public.get("/status").text

    assert states(html) == {"GPT-4o": "Operational"}
    assert re.findall(r'href="/incidents/(\d+)"', html) == [str(recent)]


def test_without_runs_for_a_day_there_is_no_data(conn, public):
    store_availability(conn, NOW - timedelta(hours=26), finished=3)

    html = public.get("/status").text

    assert states(html) == {"GPT-4o": "No data"}
    assert "No recent runs of 1 of 1 LLM" in html


def test_before_the_first_run_says_so(public):
    assert "No data yet" in public.get("/status").text


def test_archived_llms_are_left_out(conn, public):
    store_availability(conn, NOW, finished=3)
    store_incident(conn, opened=NOW - HOUR)
    with conn:
        archive_llm(conn, "GPT-4o")

    assert states(public.get("/status").text) == {}


def test_it_changes_with_the_generation_and_with_the_time(conn, public, monkeypatch):
    store_availability(conn, NOW, finished=3)
    first = public.get("/live/status")
    store_incident(conn, opened=NOW - HOUR)
    assert public.get("/live/status", headers={"If-None-Match": first.headers["ETag"]}).status_code == 304

    monkeypatch.setattr(views, "PRESENT_SECONDS", 1e-3)
    assert states(public.get("/live/status").text) == {"GPT-4o": "Degraded"}
    monkeypatch.undo()

    show(conn, NOW)
    assert states(public.get("/live/status").text) == {"GPT-4o": "Degraded"}


def test_without_public_dashboard_it_needs_a_sign_in(stranger):
    assert stranger.get("/status").status_code == 303
