"""Levels measured by hand and saved."""

import pytest

from jobs.measure.save import check_savable, save
from jobs.measure.workload import Workload
from tests.measured import answered, failed, level
from tests.support import query
from webapp.llms import UnknownLLMError

ASKS = Workload(input_tokens=64, output_tokens=5)
GOOD = level([answered(index) for index in range(4)])


def test_each_level_becomes_a_run_of_the_llm_that_is_ranked_at_once(settings, conn, client):
    (saved,) = save(settings, "GPT-4o", ASKS, [GOOD])

    assert saved.unranked is None
    assert saved.workload.startswith("64-5-")
    assert saved.workload.endswith("@c8")
    board = client.get(
        f"/api/v1/benchmarks/leaderboard?source=measurement&workload={saved.workload}&metric=ttft"
    )
    assert [row["llm_name"] for row in board.json["metrics"][0]["llms"]] == ["GPT-4o"]
    assert query(conn, "SELECT slot, status FROM runs") == [(GOOD.started_at, "finished")]


def test_what_is_asked_alike_is_ranked_together_and_nothing_else(settings):
    names = [
        save(settings, "GPT-4o", asks, [GOOD])[0].workload
        for asks in (ASKS, ASKS, Workload(input_tokens=64, output_tokens=5, timeout_s=5))
    ]

    assert names[0] == names[1] != names[2]


def test_a_failed_and_an_invalid_level_tell_why_they_are_not_ranked(settings, conn):
    bad = level([failed(0)])
    odd = level([answered(0)], invalid_reason="the client was the limit")

    first = save(settings, "GPT-4o", ASKS, [bad], name="a")
    second = save(settings, "GPT-4o", ASKS, [odd], name="b")

    assert first[0].unranked.startswith("all 1 requests failed")
    assert second[0].unranked == "the client was the limit"
    assert query(conn, "SELECT status FROM runs ORDER BY id") == [("failed",), ("invalid",)]


def test_an_llm_that_is_not_there_is_refused_before_anything_is_measured(settings):
    with pytest.raises(UnknownLLMError, match="'Nobody': no such LLM is ranked"):
        check_savable(settings, "Nobody")
