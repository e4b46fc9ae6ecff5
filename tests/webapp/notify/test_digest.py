"""Digests."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.incidents import store_availability, store_incident
from tests.support import query
from tests.web import show_run, slot
from webapp.notify.digest import store_due
from webapp.notify.texts import text
from webapp.plan.rules import Rule

DAILY = Rule("DAILY", digest="daily", digest_hour=8)
# After runs in the year 2100, as tests/web.py makes them.
DAY = datetime(2100, 1, 1, tzinfo=UTC)


@pytest.fixture
def night(conn, settings, redis):
    """A day with runs of the simulation, a change for the worse and one for the better, and an incident."""
    show_run(settings, redis, 20, at=DAY - timedelta(hours=1))
    for llm, after, worse in (("GPT-4o", 1.3, True), ("Llama 3.1 70B", 0.8, False)):
        query(
            conn,
            "INSERT INTO changes (source, scenario_id, llm_id, metric_id, statistic, slot, detected_slot,"
            " before, after, change, low, high, worse) SELECT 'simulation', scenarios.id, llms.id, 1, 'mean',"
            " %s, %s, 1, %s, %s - 1, %s - 1.05, %s - 0.95, %s FROM scenarios, llms"
            " WHERE scenarios.name = 'default' AND llms.name = %s RETURNING id",
            DAY - timedelta(hours=2), DAY - timedelta(hours=1), after, after, after, after, worse, llm,
        )  # fmt: skip
    query(
        conn,
        "INSERT INTO availability (period, source, scenario_id, llm_id, starts_at, finished, failed, invalid,"
        " missed) SELECT 'hour', 'simulation', scenarios.id, llms.id, %s, 98, 1, 5, 5 FROM scenarios, llms"
        " WHERE scenarios.name = 'default' AND llms.name = 'GPT-4o'"
        " ON CONFLICT (period, source, scenario_id, llm_id, starts_at) DO UPDATE"
        " SET finished = 98, failed = 1 RETURNING 1",
        DAY - timedelta(hours=3),
    )
    store_incident(conn, "GPT-4o")
    store_incident(conn, "Llama 3.1 70B", resolution="recovered")


def stored(conn) -> dict:
    ((body,),) = query(conn, "SELECT body FROM messages")
    return body["digest"]


def test_it_has_changes_availability_open_incidents_and_the_best(night, conn):
    assert store_due(conn, DAILY, DAY + timedelta(hours=8, minutes=5))

    found = stored(conn)
    assert (found["from"], found["to"]) == ("2099-12-31T08:00:00+00:00", "2100-01-01T08:00:00+00:00")
    assert [(each["llm"], each["change"], each["worse"]) for each in found["changes"]] == [
        ("GPT-4o", pytest.approx(0.3), True),
        ("Llama 3.1 70B", pytest.approx(-0.2), False),
    ]
    assert [each["severity"] for each in found["incidents"]] == ["minor"]
    (gpt,) = [each for each in found["availability"] if each["llm"] == "GPT-4o"]
    assert (gpt["ratio"], gpt["failed"]) == (0.99, 1)
    best = {each["metric"]: each for each in found["best"]}
    assert best.keys() == {"ttft", "tps", "e2e_latency", "rps"}
    ((fastest,),) = query(
        conn,
        "SELECT llms.name FROM metric_means JOIN llms ON llms.id = llm_id"
        " WHERE time_window = '24h' AND metric_id = 1 ORDER BY mean LIMIT 1",
    )
    assert best["ttft"]["llm"] == fastest


def test_its_availability_is_that_of_every_hour_that_begins_in_its_span(conn):
    for hours in (-25, -24, -1, 0):
        store_availability(conn, DAY + timedelta(hours=8 + hours), finished=1)
    store_due(conn, DAILY, DAY + timedelta(hours=8))

    assert [each["finished"] for each in stored(conn)["availability"]] == [2]


def test_its_text_has_the_same_in_words(night, conn):
    store_due(conn, DAILY, DAY + timedelta(hours=8))
    ((body,),) = query(conn, "SELECT body FROM messages")

    lines = text(body).splitlines()

    assert lines[0] == "2099-12-31 08:00 UTC to 2100-01-01 08:00 UTC"
    assert lines[lines.index("Slower or worse:") + 1].startswith("- GPT-4o, default: ttft (mean) 1 to 1.3 s")
    assert lines[lines.index("Faster or better:") + 1].startswith("- Llama 3.1 70B, default: ttft")
    assert "- GPT-4o: time to first token 30 % slower (minor), 2100-01-01" in lines
    assert "- GPT-4o (simulation): 99 %" in lines
    assert any(line.startswith("- default, ttft: ") for line in lines)


def test_it_is_about_the_llms_of_its_rule(night, conn):
    store_due(
        conn,
        Rule("DAILY", digest="daily", llms=("Claude 3.5 Sonnet",)),
        DAY + timedelta(hours=8),
    )

    found = stored(conn)
    assert [found[name] for name in ("changes", "incidents")] == [[], []]
    assert {each["llm"] for each in found["availability"]} <= {"Claude 3.5 Sonnet"}
    assert found["best"]


def test_a_digest_is_stored_once_and_not_half_a_day_late(conn):
    due = slot(0).replace(hour=8, minute=0)
    at = [due, due + timedelta(hours=1), due + timedelta(hours=23), due + timedelta(hours=24)]

    assert [store_due(conn, DAILY, now) for now in at] == [True, False, False, True]
    assert [store_due(conn, DAILY, due + timedelta(hours=37))] == [False]
    assert not store_due(conn, Rule("NONE"), due)
    keys = [key for (key,) in query(conn, "SELECT key FROM messages ORDER BY id")]
    assert keys == [f"digest-{day:%Y-%m-%d}" for day in (due, due + timedelta(days=1))]


def test_one_after_an_outage_of_half_a_day_is_left_out(conn):
    due = slot(0).replace(hour=8, minute=0)

    assert not store_due(conn, DAILY, due + timedelta(hours=13))
    assert store_due(conn, DAILY, due + timedelta(hours=12))
