"""Results that the command has written, imported as runs."""

import json

import pytest

from llm_measure.endpoints import Endpoint
from llm_measure.report.document import document
from llm_measure.report.reading import ReadDocument, read_document
from llm_measure.workloads import Workload
from tests.measured import answered, failed, level
from tests.support import query
from webapp.ingest.import_results import import_results
from webapp.llms import UnknownLLMError

WORKLOAD = Workload(input_tokens=64, output_tokens=5)
GOOD = level([answered(index) for index in range(4)])


def written(*levels, workload: Workload = WORKLOAD, api: str = "chat") -> ReadDocument:
    endpoint = Endpoint("http://127.0.0.1:9/v1", "m", api)
    return read_document(json.dumps(document(endpoint, workload, levels, records=True)))


def test_each_level_becomes_a_run_of_the_llm_that_is_ranked_immediately(settings, conn, client):
    (imported,) = import_results(settings, "GPT-4o", written(GOOD))

    assert imported.unranked is None
    assert imported.scenario.startswith("64-5-")
    assert imported.scenario.endswith("@c8")
    board = client.get(
        f"/api/v1/benchmarks/leaderboard?source=measurement&scenario={imported.scenario}&metric=ttft"
    )
    assert [row["llm_name"] for row in board.json["metrics"][0]["llms"]] == ["GPT-4o"]
    assert query(conn, "SELECT slot, status FROM runs") == [(GOOD.started_at, "finished")]


def test_what_is_asked_alike_is_ranked_together_and_nothing_else(settings):
    names = [
        import_results(settings, "GPT-4o", results)[0].scenario
        for results in (
            written(GOOD),
            written(GOOD),
            written(GOOD, workload=Workload(input_tokens=64, output_tokens=5, timeout_s=5)),
            written(GOOD, api="completions"),
        )
    ]

    assert names[0] == names[1]
    assert len(set(names)) == 3


def test_importing_twice_stores_once(settings, conn):
    import_results(settings, "GPT-4o", written(GOOD))
    (again,) = import_results(settings, "GPT-4o", written(GOOD))

    assert again.unranked == "already stored"
    assert query(conn, "SELECT count(*) FROM runs") == [(1,)]


def test_a_failed_and_an_invalid_level_say_why_they_are_not_ranked(settings, conn):
    bad = level([failed(0)])
    odd = level([answered(0)], invalid_reason="the client was the limit")

    first = import_results(settings, "GPT-4o", written(bad), name="a")
    second = import_results(settings, "GPT-4o", written(odd), name="b")

    assert first[0].unranked.startswith("all 1 requests failed")
    assert second[0].unranked == "the client was the limit"
    assert query(conn, "SELECT status FROM runs ORDER BY id") == [("failed",), ("invalid",)]


def test_an_unknown_llm_is_refused(settings):
    with pytest.raises(UnknownLLMError, match="Nobody"):
        import_results(settings, "Nobody", written(GOOD))
