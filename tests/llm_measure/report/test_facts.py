"""Counts of tokens and finish reasons."""

from dataclasses import replace

import pytest

from llm_measure.report.facts import facts
from llm_measure.workloads import Load, Workload
from tests.measured import answered, failed, level


def of(*records, **asked) -> dict:
    return facts(Workload(**asked), level(list(records)))


def test_tokens_are_those_asked_for_counted_and_seen_of_the_successful_requests():
    hidden = answered(1)
    hidden.output_tokens = 8
    found = of(answered(0, warmup=True), hidden, answered(2), failed(3), input_tokens=100, output_tokens=10)

    assert found["prompt_tokens"] == {"asked": 200, "counted": 256, "cached": 128}
    assert found["cached_share"] == 0.5
    assert found["output_tokens"] == {"asked": 20, "counted": 13, "seen": 10, "chunks": 10}


@pytest.mark.parametrize(
    ("asked", "prompt", "output"),
    [
        ({"dataset": "rows.jsonl"}, None, None),
        ({"turns": 2}, None, 128),
        ({"extra_body": {"messages": []}}, None, 128),
        ({"extra_body": {"max_tokens": 5}}, 128, None),
        ({"extra_body": {"temperature": 0}}, 128, 128),
    ],
)
def test_what_a_dataset_answers_before_or_the_body_may_ask_for_is_unknown(asked, prompt, output):
    found = of(answered(0), **asked)

    assert (found["prompt_tokens"]["asked"], found["output_tokens"]["asked"]) == (prompt, output)


def test_counts_of_only_some_requests_are_no_counts():
    estimated = answered(1)
    estimated.prompt_tokens = estimated.cached_tokens = None
    estimated.token_source = "chunks"
    found = of(answered(0), estimated)

    assert found["prompt_tokens"] == {"asked": 256, "counted": None, "cached": 64}
    assert found["cached_share"] is None
    assert found["output_tokens"] == {"asked": 256, "counted": None, "seen": 10, "chunks": 10}
    assert found["token_sources"] == {"usage": 1, "chunks": 1}


def test_requests_that_were_stopped_have_no_say_in_whether_counts_are_estimates():
    stopped = answered(1)
    stopped.error, stopped.error_detail = "cancelled", "stopped while in flight"
    stopped.token_source = "chunks"
    found = of(answered(0), stopped)

    assert found["token_sources"] == {"usage": 1}


def test_a_level_without_an_answer_has_no_counts():
    found = of(failed(0))

    assert found["prompt_tokens"] == {"asked": 0, "counted": None, "cached": None}
    assert (found["finish_reasons"], found["token_sources"]) == ({}, {})


def test_finish_reasons_are_counted_and_only_the_most_frequent_are_named():
    records = [answered(number) for number in range(30)]
    for record in records[10:]:
        record.finish_reason = f"reason {record.index}"
    records[29].finish_reason = None
    found = of(*records, failed(31))["finish_reasons"]

    assert (len(found), found["length"]) == (10, 10)


def test_rates_are_those_of_a_level_at_a_rate():
    at_a_rate = replace(level([answered(0), answered(1)]), load=Load(rate=1, requests=2))

    assert facts(Workload(), at_a_rate)["offered_rate"] == pytest.approx(1)
    assert "offered_rate" not in of(answered(0))
