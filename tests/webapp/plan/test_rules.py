"""Rules of notifications: what a target gets, and when."""

from datetime import UTC, datetime, time

import pytest

from tests.webapp.plan.conftest import LEAST
from webapp.plan.benchmark_file import parse, read_benchmark_file, read_text
from webapp.plan.rules import Rule
from webapp.settings import Settings

NIGHT = Rule("TARGET", quiet_hours=(time(22), time(7)), time_zone="Europe/Berlin")
LUNCH = Rule("TARGET", quiet_hours=(time(12), time(13, 30)))
FAULTS = [
    ("notify: []", "1: notify: empty; expected at least one"),
    ("notify: [{target: https://a.b/s3cret}]",
     "1: notify[0].target: must be the name of an environment variable, never the URL itself"),
    ("notify: [{target: A, secret_env: s3-cret}]", "1: notify[0].secret_env: must be the name of"),
    ("notify:\n- target: A\n- target: A", "3: notify[1].target: duplicate target"),
    ("notify: [{target: A, severity: high}]", "1: notify[0].severity='high': must be one of minor, "),
    ("notify: [{target: A, quiet_hours: 22-7}]", "1: notify[0].quiet_hours='22-7': must be two times"),
    ("notify: [{target: A, quiet_hours: 22:00-22:00}]", "1: notify[0].quiet_hours='22:00-22:00': "),
    ("notify: [{target: A, time_zone: CES}]", "1: notify[0].time_zone='CES': unknown time zone"),
    ("notify: [{target: A, digest_hour: 8}]", "1: notify[0].digest_hour=8: needs digest"),
    ("notify: [{target: A, incidents: false}]", "1: notify[0].incidents=False: needs digest"),
    ("notify: [{target: A, digest: daily, digest_hour: 24}]", "1: notify[0].digest_hour=24: must be a"),
]  # fmt: skip


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def state(severity: str = "minor", *llms: str) -> dict:
    return {"severity": severity, "llms": list(llms)}


def test_the_rules_of_a_file_have_their_documented_defaults(write):
    settings = write("notify: [{target: SLACK_URL}]")

    plan = parse(settings, read_text(settings))

    assert plan.rules == (Rule("SLACK_URL"),)
    assert (plan.rules[0].severity, plan.rules[0].time_zone, plan.rules[0].digest_hour) == ("minor", "UTC", 8)


def test_a_file_may_have_rules_alone(write):
    assert read_benchmark_file(write("notify: [{target: SLACK_URL}]")) == ()


@pytest.mark.parametrize(("text", "fault"), FAULTS)
def test_a_fault_of_a_rule_names_line_field_and_what_is_expected(faults, text, fault):
    assert any(found.startswith(f"benchmark.yml:{fault}") for found in faults(text)), faults(text)


def test_the_rules_of_the_example_are_read():
    settings = Settings.from_env({**LEAST, "BENCHMARK_FILE": "benchmark.example.yml"})

    slack, webhook = parse(settings, read_text(settings)).rules

    assert (slack.llms, slack.severity, slack.quiet_hours) == (("GPT-4o mini",), "major", (time(22), time(7)))
    assert (webhook.secret_env, webhook.digest, webhook.incidents) == ("WEBHOOK_KEY", "weekly", False)


def test_a_target_gets_the_incidents_of_its_severity_and_llms():
    rule = Rule("TARGET", llms=("A", "B"), severity="major")

    assert rule.wants(state("critical", "B", "C"))
    assert not rule.wants(state("minor", "A"))
    assert not rule.wants(state("critical", "C"))
    assert Rule("TARGET").wants(state("minor", "C"))
    assert not Rule("TARGET", digest="daily", incidents=False).wants(state("critical", "C"))


@pytest.mark.parametrize(
    ("rule", "now", "due"),
    [
        (NIGHT, "2026-11-26 20:59", "2026-11-26 20:59"),
        (NIGHT, "2026-11-26 21:00", "2026-11-27 06:00"),
        (NIGHT, "2026-11-27 05:59", "2026-11-27 06:00"),
        (NIGHT, "2026-11-27 06:00", "2026-11-27 06:00"),
        (NIGHT, "2026-07-01 20:30", "2026-07-02 05:00"),  # summer time
        (NIGHT, "2026-10-24 22:00", "2026-10-25 06:00"),  # in the night in which it ends
        (LUNCH, "2026-11-26 11:59", "2026-11-26 11:59"),
        (LUNCH, "2026-11-26 12:00", "2026-11-26 13:30"),
        (LUNCH, "2026-11-26 22:00", "2026-11-26 22:00"),
        (Rule("TARGET"), "2026-11-26 03:00", "2026-11-26 03:00"),
    ],
)
def test_a_message_waits_for_the_end_of_quiet_hours(rule, now, due):
    assert rule.due("major", at(now)) == at(due)
    assert rule.due("critical", at(now)) == at(now)


@pytest.mark.parametrize(
    ("digest", "now", "start", "end"),
    [
        ("daily", "2026-11-26 06:59", "2026-11-24 07:00", "2026-11-25 07:00"),
        ("daily", "2026-11-26 07:00", "2026-11-25 07:00", "2026-11-26 07:00"),
        ("daily", "2026-10-25 07:00", "2026-10-24 06:00", "2026-10-25 07:00"),  # a day of 25 hours
        ("weekly", "2026-11-26 12:00", "2026-11-16 07:00", "2026-11-23 07:00"),
        ("weekly", "2026-11-30 06:59", "2026-11-16 07:00", "2026-11-23 07:00"),
        ("weekly", "2026-11-30 07:00", "2026-11-23 07:00", "2026-11-30 07:00"),
    ],
)
def test_a_digest_is_due_at_its_hour_of_the_day_or_of_monday(digest, now, start, end):
    rule = Rule("TARGET", digest=digest, time_zone="Europe/Berlin")

    assert rule.digest_span(at(now)) == (at(start), at(end))


def test_without_a_digest_none_is_due():
    assert Rule("TARGET").digest_span(at("2026-11-26 07:00")) is None
