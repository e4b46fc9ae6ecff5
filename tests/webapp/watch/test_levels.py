"""Changes of level of published runs, and the incidents that they open."""

from datetime import datetime, timedelta

import pytest

from tests.factories import add_scenario, archive_llm
from tests.support import query
from tests.watched import SERVER
from tests.web import slot
from webapp.store import changes
from webapp.watch.actions import close

FOUND_WITHIN = 5  # runs, of a change of 30 % or more
WEEK = 7 * 24 * 6  # slots


@pytest.fixture
def noted(conn):
    """Reads the changes of level, oldest first."""

    def noted():
        with conn:
            return changes.read(conn, since=slot(0))

    return noted


@pytest.fixture
def close_in(conn):
    """Closes the first incident, as if it were the time of that slot."""

    def close_in(now: datetime) -> None:
        with conn:
            close(conn, 1, "a new model")
        query(conn, "UPDATE incident_events SET at = %s WHERE kind = 'closed' RETURNING number", now)
        conn.commit()

    return close_in


def test_steady_runs_open_no_incident(watched, opened, noted):
    watched.runs(60, ttft=1.0)
    watched.show(3, ttft=1.0)

    assert opened() == []
    assert noted() == []


def test_a_capacity_that_falls_opens_an_incident_though_each_run_has_but_one(watched, opened, noted):
    watched.runs(60, capacity=12.0)
    watched.show(FOUND_WITHIN, capacity=9.0)

    (incident,) = opened()
    (signal,) = incident.signals
    assert (signal.kind, signal.metric_name, signal.statistic) == ("change", "capacity", "mean")
    assert signal.change == pytest.approx(-0.25, abs=0.03)
    assert noted()[0].worse


def test_a_level_that_gets_worse_opens_one_incident(watched, opened, noted, kinds):
    watched.runs(60, ttft=1.0)
    watched.show(FOUND_WITHIN, ttft=1.3)

    (incident,) = opened()
    assert (incident.source, incident.subject, incident.severity) == ("measurement", SERVER, "minor")
    assert (incident.status, incident.started_at) == ("open", slot(60))
    assert slot(60) < incident.opened_at < slot(60 + FOUND_WITHIN)
    (signal,) = incident.signals
    assert (signal.kind, signal.llm_name, signal.metric_name, signal.statistic) == (
        *("change", "GPT-4o", "ttft", "mean"),
    )
    assert (signal.started_at, signal.detected_at) == (incident.started_at, incident.opened_at)
    assert signal.low <= signal.change <= signal.high
    assert signal.change == pytest.approx(0.3, abs=0.03)
    (change,) = noted()
    assert (change.slot, change.detected_slot, change.worse) == (slot(60), incident.opened_at, True)
    assert kinds() == ["opened"]


def test_a_level_that_gets_better_is_noted_without_an_incident(watched, opened, noted):
    watched.runs(60, ttft=1.0, tps=50.0)
    watched.runs(FOUND_WITHIN, ttft=0.7, tps=70.0)

    assert opened() == []
    assert {(change.metric_name, change.worse) for change in noted()} == {("ttft", False), ("tps", False)}
    watched.runs(FOUND_WITHIN, ttft=0.7, tps=70.0)
    assert len(noted()) == 2


def test_metrics_that_get_worse_together_are_one_incident(watched, opened, kinds):
    watched.runs(60, ttft=1.0, tps=50.0, e2e_latency=5.0)
    watched.runs(FOUND_WITHIN, ttft=1.3, tps=35.0, e2e_latency=5.0)

    (incident,) = opened()
    assert {signal.metric_name for signal in incident.signals} == {"ttft", "tps"}
    assert kinds()[0] == "opened"


def test_metrics_and_scenarios_of_one_slowdown_join_without_an_event_but_another_llm_with_one(
    watched, conn, opened, kinds
):
    add_scenario(conn, "chat@c8")
    normal = {"ttft": 1.0, "e2e_latency": 5.0, "tps": 50.0}
    runs = ({"scenario": "default"}, {"scenario": "chat@c8"}, {"llm": "Llama 3.1 70B"})
    for run in runs:
        watched.runs(60, **run, **normal)
    *scenarios, other = runs
    for joined in ({"ttft": 1.4}, {"e2e_latency": 7.0}, {"tps": 35.0}):
        normal |= joined
        for run in scenarios:
            watched.show(FOUND_WITHIN, **run, **normal)
    (incident,) = opened()
    assert {signal.metric_name for signal in incident.signals} == {"ttft", "e2e_latency", "tps"}
    assert {signal.scenario for signal in incident.signals} == {"default", "chat@c8"}
    assert kinds() == ["opened"]

    watched.show(FOUND_WITHIN, **other, **normal)

    assert opened()[0].llm_names == ["GPT-4o", "Llama 3.1 70B"]
    assert kinds() == ["opened", "updated"]


def test_scenarios_and_llms_of_one_server_are_one_incident(watched, conn, opened):
    add_scenario(conn, "chat@c8")
    runs = (
        {"llm": "GPT-4o"},
        {"llm": "GPT-4o", "scenario": "chat@c8"},
        {"llm": "Llama 3.1 70B"},
        {"llm": "Claude 3.5 Sonnet", "server": "other:443"},
    )
    for run in runs:
        watched.runs(60, **run, ttft=1.0)
    for run in FOUND_WITHIN * runs:
        watched.store(**run, ttft=1.4)
    watched.publish()

    other, grouped = sorted(opened(), key=lambda incident: len(incident.signals))
    assert {(signal.llm_name, signal.scenario) for signal in grouped.signals} == {
        ("GPT-4o", "default"), ("GPT-4o", "chat@c8"), ("Llama 3.1 70B", "default"),
    }  # fmt: skip
    assert (other.subject, other.llm_names) == ("other:443", ["Claude 3.5 Sonnet"])


def test_without_a_known_server_the_incident_is_about_the_llm(watched, opened):
    watched.runs(60, ttft=1.0, server=None)
    watched.runs(FOUND_WITHIN, ttft=1.3, server=None)

    assert [incident.subject for incident in opened()] == ["GPT-4o"]


def test_the_figures_of_an_active_signal_follow_the_level_and_severity_rises_with_it(watched, opened, kinds):
    watched.runs(60, ttft=1.0)
    watched.runs(FOUND_WITHIN, ttft=1.3)
    before = opened()[0].signals[0]

    watched.show(ttft=1.3)
    assert kinds() == ["opened"]

    watched.runs(2 * FOUND_WITHIN, ttft=2.0)

    (incident,) = opened()
    (signal,) = incident.signals
    assert (signal.id, signal.before) == (before.id, pytest.approx(before.before))
    assert signal.after > before.after
    assert incident.severity == "major"
    assert kinds() == ["opened", "updated"]


def test_a_level_that_is_back_resolves_the_incident(watched, opened, noted, kinds):
    watched.runs(60, ttft=1.0)
    watched.runs(FOUND_WITHIN, ttft=1.3)
    watched.runs(FOUND_WITHIN, ttft=1.0)

    (incident,) = opened()
    assert (incident.status, incident.resolution) == ("resolved", "recovered")
    assert kinds() == ["opened", "resolved"]
    assert len(noted()) == 1


def test_trouble_that_is_over_is_no_part_of_what_is_normal(watched, opened):
    watched.runs(60, ttft=1.0)
    for ttft, runs in ((1.3, FOUND_WITHIN), (1.3, 100), (1.0, FOUND_WITHIN)):
        watched.runs(runs, ttft=ttft)
    assert opened()[0].status == "resolved"

    watched.runs(FOUND_WITHIN, ttft=1.3)

    assert opened()[0].status == "open"


def test_metrics_that_are_back_one_after_another_resolve_the_incident_together(watched, opened, kinds):
    watched.runs(60, ttft=1.0, tps=50.0)
    watched.runs(FOUND_WITHIN, ttft=1.3, tps=35.0)
    watched.show(ttft=1.0, tps=35.0)
    watched.show(FOUND_WITHIN, ttft=1.0, tps=50.0)

    (incident,) = opened()
    assert (incident.status, incident.resolution) == ("resolved", "recovered")
    assert len({signal.ended_at for signal in incident.signals}) == 2
    assert kinds() == ["opened", "resolved"]


def test_new_trouble_within_the_cool_down_reopens_the_incident(watched, conn, opened, kinds):
    watched.runs(60, ttft=1.0)
    for ttft in (1.3, 1.0, 1.3):
        watched.runs(FOUND_WITHIN, ttft=ttft)

    (incident,) = opened()
    assert (incident.status, incident.reopened) == ("open", 1)
    assert kinds() == ["opened", "resolved", "reopened"]

    watched.runs(FOUND_WITHIN, ttft=1.0)
    query(conn, "UPDATE incidents SET resolved_at = resolved_at - interval '61 minutes' RETURNING id")
    watched.runs(FOUND_WITHIN, ttft=1.3)

    assert [incident.status for incident in opened()] == ["open", "resolved"]


def test_a_level_that_lasts_for_a_week_is_accepted_as_the_new_one(watched, opened, noted, kinds):
    watched.runs(60, ttft=1.0)
    watched.runs(FOUND_WITHIN, ttft=1.3)
    for number in range(66, 60 + WEEK, 18):  # every three hours
        watched.store(number=number, ttft=1.3)
    watched.publish()
    assert opened()[0].status == "open"

    watched.show(number=60 + WEEK + FOUND_WITHIN, ttft=1.3)

    (incident,) = opened()
    assert (incident.status, incident.resolution) == ("resolved", "accepted")
    assert kinds() == ["opened", "resolved"]
    watched.runs(FOUND_WITHIN, ttft=1.8)
    assert noted()[-1].before == pytest.approx(1.3, abs=0.03)


def test_a_change_of_a_metric_that_is_no_longer_measured_is_accepted_after_a_week(watched, opened):
    watched.runs(60, ttft=1.0, e2e_latency=5.0)
    watched.runs(FOUND_WITHIN, ttft=1.3, e2e_latency=5.0)
    watched.show(e2e_latency=5.0)
    assert opened()[0].status == "open"

    watched.show(number=60 + WEEK + FOUND_WITHIN, e2e_latency=5.0)

    assert [(incident.status, incident.resolution) for incident in opened()] == [("resolved", "accepted")]


def test_the_level_of_a_closed_incident_is_the_new_one(watched, close_in, opened, noted):
    watched.runs(60, ttft=1.0)
    watched.runs(FOUND_WITHIN, ttft=1.3)
    close_in(slot(60 + FOUND_WITHIN))

    watched.runs(60, ttft=1.3)
    watched.runs(FOUND_WITHIN, ttft=1.3)
    assert [incident.resolution for incident in opened()] == ["closed"]

    watched.runs(FOUND_WITHIN, ttft=1.8)
    assert opened()[0].status == "open"
    assert noted()[-1].before == pytest.approx(1.3, abs=0.03)


def test_closing_makes_the_level_normal_of_all_series_of_the_server_and_of_no_other(
    watched, conn, close_in, opened
):
    add_scenario(conn, "chat@c8")
    first, *others = (
        {"llm": "GPT-4o"},
        {"llm": "GPT-4o", "scenario": "chat@c8"},
        {"llm": "Llama 3.1 70B"},
        {"llm": "Claude 3.5 Sonnet", "server": "other:443"},
    )
    for run in (first, *others):
        watched.runs(60, **run, ttft=1.0, tps=50.0)
    watched.runs(FOUND_WITHIN, **first, ttft=1.4, tps=50.0)
    close_in(slot(60))

    for run in (first, *others):
        watched.runs(FOUND_WITHIN, **run, ttft=1.4, tps=35.0)
    elsewhere, closed = opened()
    assert (closed.resolution, len(closed.signals)) == ("closed", 1)
    assert (elsewhere.subject, elsewhere.llm_names) == ("other:443", ["Claude 3.5 Sonnet"])

    for run in (first, others[0]):
        watched.runs(60, **run, ttft=1.4, tps=35.0)
        watched.runs(FOUND_WITHIN, **run, ttft=1.4, tps=20.0)
    assert {(each.scenario, each.metric_name) for each in opened()[1].signals if not each.ended_at} == {
        ("default", "tps"), ("chat@c8", "tps"),
    }  # fmt: skip


def test_closing_makes_a_level_normal_that_got_worse_twice(watched, close_in, opened):
    watched.runs(60, ttft=1.0)
    watched.runs(FOUND_WITHIN, ttft=1.3)
    watched.runs(60, ttft=1.3)
    watched.runs(FOUND_WITHIN, ttft=2.0)
    close_in(slot(120 + 2 * FOUND_WITHIN))

    watched.runs(FOUND_WITHIN, ttft=2.0)

    assert [incident.resolution for incident in opened()] == ["closed"]


def test_a_level_remains_closed_after_the_incident_is_reopened_and_resolved(watched, close_in, opened):
    watched.runs(60, ttft=1.0, tps=50.0)
    watched.runs(FOUND_WITHIN, ttft=1.4, tps=50.0)
    close_in(slot(60 + FOUND_WITHIN))
    watched.runs(2, status="failed", error="all 100 requests failed")
    watched.runs(FOUND_WITHIN, ttft=1.4, tps=35.0)

    watched.runs(FOUND_WITHIN, ttft=1.4, tps=35.0)

    (incident,) = opened()
    assert (incident.reopened, incident.resolution) == (1, "recovered")
    assert [signal.kind for signal in incident.signals] == ["down", "change"]


def test_a_late_run_is_no_news_but_part_of_the_series(watched, conn, opened):
    watched.runs(60, ttft=1.0)
    before = query(conn, "SELECT slot, p_value FROM watched_series")

    for number in range(-FOUND_WITHIN, 0):
        watched.store(number=number, ttft=9.0)
    watched.publish()

    assert opened() == []
    assert query(conn, "SELECT slot, p_value FROM watched_series") == before


@pytest.mark.parametrize("silence", ["archived", "without runs"])
def test_signals_end_where_no_runs_follow(watched, conn, opened, silence):
    watched.runs(60, ttft=1.0)
    watched.runs(1, llm="Llama 3.1 70B", ttft=1.0)
    watched.runs(FOUND_WITHIN, ttft=1.3)
    assert opened()[0].status == "open"

    if silence == "archived":
        archive_llm(conn, "GPT-4o")
        watched.show(llm="Llama 3.1 70B", ttft=1.0)
    else:
        late = slot(60 + FOUND_WITHIN) + timedelta(days=8)
        watched.show(llm="Llama 3.1 70B", ttft=1.0, number=int((late - slot(0)) / timedelta(minutes=10)))

    assert [(incident.status, incident.resolution) for incident in opened()] == [("resolved", "accepted")]
