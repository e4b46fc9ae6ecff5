import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from webapp.store.incidents import Incident, Signal
from webapp.watch.grouping import severity
from webapp.watch.state import state, title

START = datetime(2026, 11, 24, 12, tzinfo=UTC)
SLOWER = Signal(
    id=1, kind="change", llm_name="GPT-4o", scenario="chat@c8", metric_name="ttft", statistic="mean",
    started_at=START, detected_at=START, ended_at=None, before=1.0, after=1.3, change=0.3, low=0.25,
    high=0.35,
)  # fmt: skip
FIGURES = dict.fromkeys(("before", "after", "change", "low", "high"))
DOWN = replace(SLOWER, kind="down", metric_name=None, statistic=None, **FIGURES)


def incident(*signals: Signal, **changes: object) -> Incident:
    parts = {
        "id": 7, "source": "measurement", "subject": "api.example.org:443", "severity": "minor",
        "started_at": START, "opened_at": START, "updated_at": START, "resolved_at": None, "resolution": None,
        "cause": None, "acknowledged_at": None, "note": None, "reopened": 0, "signals": signals,
    }  # fmt: skip
    return Incident(**{**parts, **changes})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "time to first token 30 % slower"),
        ({"change": -0.1}, "time to first token 10 % faster"),
        ({"metric_name": "tps", "change": -0.333}, "tokens per second 33 % lower"),
        ({"metric_name": "tps", "change": 0.05}, "tokens per second 5 % higher"),
        ({"statistic": "p95"}, "p95 of time to first token 30 % slower"),
        ({"kind": "down", "metric_name": None}, "down"),
        ({"kind": "degraded", "metric_name": "error_rate", "after": 0.25}, "error rate 25 %"),
        ({"kind": "degraded", "metric_name": "slo_attainment", "after": 0.5}, "SLO attainment 50 %"),
        ({"kind": "degraded", "metric_name": "capacity", "after": 0.0}, "capacity 0 requests/s"),
        ({"metric_name": "capacity", "change": -0.2}, "capacity 20 % lower"),
        ({"metric_name": "no_longer_registered"}, "no_longer_registered 30 % higher"),
        ({"kind": "degraded", "metric_name": "no_longer_registered"}, "no_longer_registered 130 %"),
    ],
)
def test_the_title_says_what_is_wrong(changes, words):
    assert title(incident(replace(SLOWER, **changes))) == f"GPT-4o: {words}"


def test_the_title_is_that_of_the_worst_signal():
    greater = replace(SLOWER, change=0.5)

    assert title(incident(SLOWER, greater)) == "GPT-4o: time to first token 50 % slower"
    assert title(incident(SLOWER, DOWN, greater)) == "GPT-4o: down"


def test_the_title_keeps_to_the_first_of_the_metrics_that_users_notice_however_much_others_change():
    itl, tpot = (replace(SLOWER, metric_name=name, change=0.9) for name in ("itl", "tpot"))
    joining = [itl, replace(tpot, change=1.5)]
    joining += [replace(SLOWER, metric_name=name, change=-0.3) for name in ("rps", "tps")]
    joining += [replace(SLOWER, metric_name="e2e_latency"), SLOWER]

    assert [title(incident(*joining[:number])).split(": ")[1] for number in range(1, 7)] == [
        "inter-token latency 90 % slower",
        "time per output token 150 % slower",
        "requests per second 30 % lower",
        "tokens per second 30 % lower",
        "end-to-end latency 30 % slower",
        "time to first token 30 % slower",
    ]


def test_the_title_prefers_the_mean_of_a_metric_to_its_percentile():
    mean, p95 = replace(SLOWER, change=0.29), replace(SLOWER, statistic="p95", change=0.31)
    of_tps = replace(p95, metric_name="tps", change=-0.5)
    of_itl = replace(p95, metric_name="itl", change=0.5)

    assert title(incident(p95, mean)) == "GPT-4o: time to first token 29 % slower"
    assert title(incident(of_itl, of_tps)) == "GPT-4o: p95 of tokens per second 50 % lower"
    assert (
        title(incident(p95, replace(mean, ended_at=START)))
        == "GPT-4o: p95 of time to first token 31 % slower"
    )


def test_the_title_counts_the_other_llms():
    others = [replace(SLOWER, llm_name=name, change=0.2) for name in ("Llama", "Claude")]

    assert title(incident(SLOWER, SLOWER, others[0])).startswith("GPT-4o and 1 more LLM: ")
    assert title(incident(SLOWER, *others)).startswith("GPT-4o and 2 more LLMs: ")


def test_signals_that_have_ended_are_in_the_title_only_if_all_have():
    over = replace(DOWN, ended_at=START + timedelta(hours=1))

    assert title(incident(over, SLOWER)) == "GPT-4o: time to first token 30 % slower"
    assert title(incident(over)) == "GPT-4o: down"


def test_the_state_is_json_with_all_that_a_message_says():
    elsewhere = datetime.fromisoformat("2026-11-24T15:00:00+02:00")
    found = state(incident(SLOWER, resolved_at=elsewhere, resolution="closed", note="a new model", cause="?"))

    assert json.loads(json.dumps(found)) == found
    signals = found.pop("signals")
    assert found == {
        "severity": "minor", "subject": "api.example.org:443", "source": "measurement", "llms": ["GPT-4o"],
        "title": "GPT-4o: time to first token 30 % slower", "cause": "?",
        "started_at": "2026-11-24T12:00:00+00:00", "opened_at": "2026-11-24T12:00:00+00:00",
        "resolved_at": "2026-11-24T13:00:00+00:00", "resolution": "closed", "note": "a new model",
    }  # fmt: skip
    assert signals == [
        {
            "kind": "change", "llm": "GPT-4o", "scenario": "chat@c8", "metric": "ttft", "statistic": "mean",
            "before": 1.0, "after": 1.3, "change": 0.3, "low": 0.25, "high": 0.35,
            "started_at": "2026-11-24T12:00:00+00:00", "ended_at": None,
        }
    ]  # fmt: skip


def test_a_change_of_a_metric_that_is_no_longer_registered_is_minor():
    assert severity(replace(SLOWER, metric_name="no_longer_registered", after=9.0)) == "minor"
