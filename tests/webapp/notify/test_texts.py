"""Messages in words."""

from tests.notifications import SIGNAL, state
from webapp.notify.texts import MOST_LINES, text, title


def incident(event: str = "opened", **changes: object) -> dict:
    return {"event": event, "incident": {"id": 7, **state(**changes)}}


def test_the_title_names_event_severity_and_what_is_wrong():
    assert title(incident()) == "Opened (minor): GPT-4o: ttft 30 % slower"
    assert title(incident("resolved", severity="critical")).startswith("Resolved (critical): ")
    assert title({"event": "test"}) == "LLM Benchmark: test message"


def test_the_text_has_each_signal_the_cause_and_the_end():
    down = {**SIGNAL, "kind": "down", "metric": None, "ended_at": "2026-11-26T13:00:00+00:00"}
    degraded = {**SIGNAL, "kind": "degraded", "metric": "error_rate", "before": 0.1, "after": 0.25}
    body = incident(
        "resolved",
        signals=[SIGNAL, down, degraded],
        cause="timeout 40",
        note="a new GPU driver",
        resolved_at="2026-11-26T13:00:00+00:00",
        resolution="recovered",
    )

    assert text(body).splitlines() == [
        "GPT-4o (simulation), incident 7",
        "- GPT-4o, default: ttft (mean) 1 to 1.3 s, +30 % (95 % interval +25 % to +35 %)"
        " since 2026-11-26 11:50 UTC",
        "- GPT-4o, default: down since 2026-11-26 11:50 UTC, ended 2026-11-26 13:00 UTC",
        "- GPT-4o, default: error_rate 0.25, bound 0.1 since 2026-11-26 11:50 UTC",
        "Cause: timeout 40",
        "Note: a new GPU driver",
        "Resolved: 2026-11-26 13:00 UTC (recovered)",
    ]


def test_great_figures_have_no_exponent():
    signal = {**SIGNAL, "metric": "tps", "before": 12345.6, "after": 9000.0, "change": -0.27}

    assert "tps (mean) 12346 to 9000 tokens/s, -27 %" in text(incident(signals=[signal]))


def test_of_many_signals_only_some_are_listed():
    lines = text(incident(signals=[SIGNAL] * (MOST_LINES + 5))).splitlines()

    assert (len(lines), lines[-1]) == (MOST_LINES + 2, "- and 5 more")
