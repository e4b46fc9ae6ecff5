"""Results of `llm-measure run`, imported as runs."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from llm_measure.endpoints import Endpoint
from llm_measure.load.traces import TraceFacts
from llm_measure.report.document import document
from llm_measure.report.reading import ReadDocument, read_document
from llm_measure.workloads import Load, Workload
from tests.factories import archive_llm
from tests.measured import answered, failed, level
from tests.support import query
from webapp.ingest import import_results as ingest
from webapp.ingest.import_results import ArchivedLLMError, UnusableResultsError
from webapp.ingest.persist import rederive_ranked
from webapp.ingest.register import ChangedScenarioError
from webapp.llms import UnknownLLMError

WORKLOAD = Workload(input_tokens=64, output_tokens=5)
GOOD = level([answered(index) for index in range(4)])
import_results = partial(ingest.import_results, now=GOOD.started_at)
C16 = replace(GOOD, load=Load(concurrency=16, requests=4))


def written(
    *levels, workload: Workload = WORKLOAD, api: str = "chat", digests: dict | None = None
) -> ReadDocument:
    endpoint = Endpoint("http://127.0.0.1:9/v1", "m", api)
    return read_document(json.dumps(document(endpoint, workload, levels, True, digests)))


def nothing_is_stored(conn) -> bool:
    return query(conn, "SELECT count(*) FROM runs") == [(0,)] and query(
        conn, "SELECT name FROM scenarios"
    ) == [("default",)]


def test_each_level_becomes_a_ranked_run_of_the_llm(settings, conn, client):
    (imported,) = import_results(settings, "GPT-4o", written(GOOD))

    assert (imported.already_stored, imported.unranked) == (False, None)
    assert imported.scenario.startswith("64-5-")
    assert imported.scenario.endswith("@c8")
    board = client.get(
        f"/api/v1/benchmarks/leaderboard?source=measurement&scenario={imported.scenario}&metric=ttft"
    )
    assert [row["llm_name"] for row in board.json["metrics"][0]["llms"]] == ["GPT-4o"]
    assert query(conn, "SELECT slot, status FROM runs") == [(GOOD.started_at, "finished")]


def test_a_level_of_inputs_is_named_after_them_and_ranked_by_its_metrics(settings, client):
    results = written(GOOD, workload=Workload(inputs=8, input_tokens=64), api="embeddings")

    (imported,) = import_results(settings, "GPT-4o", results)

    assert imported.scenario.startswith("8x64-")
    assert imported.scenario.endswith("@c8-embeddings")
    board = client.get(f"/api/v1/benchmarks/leaderboard?source=measurement&scenario={imported.scenario}")
    ranked = [each["metric"] for each in board.json["metrics"] if each["llms"]]
    assert ranked == ["e2e_latency", "rps", "inputs_throughput", "prompt_throughput", "error_rate"]


def test_the_slot_is_the_second_in_which_the_level_started(settings, conn):
    start = datetime(2026, 11, 24, 12, 0, 7, 999999, tzinfo=UTC)

    import_results(settings, "GPT-4o", written(replace(GOOD, started_at=start)))

    assert query(conn, "SELECT slot FROM runs") == [(start.replace(microsecond=0),)]


def test_only_the_same_workload_through_the_same_api_is_the_same_scenario(settings):
    names = [
        import_results(settings, "GPT-4o", results)[0].scenario
        for results in (
            written(GOOD),
            written(GOOD),
            written(GOOD, workload=replace(WORKLOAD, seed=7)),
            written(GOOD, workload=replace(WORKLOAD, timeout_s=5)),
            written(GOOD, api="completions"),
        )
    ]

    assert names[0] == names[1] == names[2]
    assert len(set(names)) == 3


def test_one_name_through_two_apis_is_two_scenarios(settings, conn):
    for api in ("chat", "completions"):
        import_results(settings, "GPT-4o", written(GOOD, api=api), name="talk")

    assert query(
        conn, "SELECT name, definition ->> 'api' FROM scenarios WHERE definition IS NOT NULL ORDER BY id"
    ) == [("talk@c8", "chat"), ("talk@c8-completions", "completions")]


def test_importing_twice_stores_once(settings, conn):
    import_results(settings, "GPT-4o", written(GOOD))
    (again,) = import_results(settings, "GPT-4o", written(GOOD))

    assert again.already_stored
    assert query(conn, "SELECT count(*) FROM runs") == [(1,)]


def test_failed_and_invalid_levels_are_stored_but_not_ranked(settings, conn):
    bad = level([failed(0)])
    odd = level([answered(0)], invalid_reason="the client was the limit")

    first = import_results(settings, "GPT-4o", written(bad), name="a")
    second = import_results(settings, "GPT-4o", written(odd), name="b")

    assert first[0].unranked.startswith("all 1 requests failed")
    assert second[0].unranked == "the client was the limit"
    assert query(conn, "SELECT status FROM runs ORDER BY id") == [("failed",), ("invalid",)]


def test_levels_without_verified_tls_are_stored_but_not_ranked(settings, conn):
    endpoint = Endpoint("https://127.0.0.1:9/v1", "m", insecure=True)
    results = read_document(json.dumps(document(endpoint, WORKLOAD, [GOOD], True)))

    (imported,) = import_results(settings, "GPT-4o", results)

    assert imported.unranked.startswith("TLS was not verified (insecure)")
    assert query(conn, "SELECT status, invalid_reason FROM runs") == [("invalid", imported.unranked)]
    assert query(conn, "SELECT measurement->'transport' FROM runs") == [({"insecure": True},)]


def test_a_changed_workload_under_a_known_name_is_refused_before_any_level_is_stored(settings, conn):
    import_results(settings, "GPT-4o", written(C16), name="chat")
    changed = written(GOOD, C16, workload=replace(WORKLOAD, output_tokens=9))

    with pytest.raises(ChangedScenarioError, match="scenario chat@c16: output_tokens changed"):
        import_results(settings, "GPT-4o", changed, name="chat")

    assert query(conn, "SELECT count(*) FROM runs") == [(1,)]
    assert query(conn, "SELECT name FROM scenarios ORDER BY id") == [("default",), ("chat@c16",)]


def test_an_unknown_llm_is_refused(settings, conn):
    with pytest.raises(UnknownLLMError, match="Nobody"):
        import_results(settings, "Nobody", written(GOOD))

    assert nothing_is_stored(conn)


def test_an_archived_llm_is_refused(settings, conn):
    archive_llm(conn, "GPT-4o")
    conn.commit()

    with pytest.raises(ArchivedLLMError, match="GPT-4o"):
        import_results(settings, "GPT-4o", written(GOOD))

    assert nothing_is_stored(conn)


@pytest.mark.parametrize(
    "start",
    [
        GOOD.started_at + timedelta(hours=2),
        datetime(1970, 1, 1, tzinfo=UTC),
        datetime.max.replace(tzinfo=UTC),
    ],
)
def test_a_level_that_started_in_the_future_or_long_ago_is_refused(settings, conn, start):
    results = written(GOOD, replace(C16, started_at=start))

    with pytest.raises(UnusableResultsError, match="check the clock"):
        import_results(settings, "GPT-4o", results)

    assert nothing_is_stored(conn)


def test_a_dataset_is_identified_by_the_digest_in_the_document(settings, conn):
    results = written(
        GOOD, workload=Workload(dataset="/elsewhere/prompts.jsonl"), digests={"dataset": "12ab"}
    )

    (imported,) = import_results(settings, "GPT-4o", results)

    assert imported.scenario.startswith("dataset-128-")
    ((stored, description),) = query(
        conn, "SELECT definition ->> 'dataset', description FROM scenarios WHERE name <> 'default'"
    )
    assert stored == "12ab"
    assert description.startswith("prompts of prompts.jsonl, ")


def test_lengths_of_a_file_are_identified_by_its_digest_and_the_file_is_not_read(settings, conn):
    workload = Workload(input_tokens="file:/elsewhere/lengths.txt", output_tokens="8..64", seed=7)
    results = written(GOOD, workload=workload, digests={"input_tokens": "12ab"})

    (imported,) = import_results(settings, "GPT-4o", results)

    assert imported.scenario.startswith("file:lengths.txt-8..64-")
    ((stored, description),) = query(
        conn, "SELECT definition ->> 'input_tokens', description FROM scenarios WHERE name <> 'default'"
    )
    assert stored == "12ab"
    assert description.startswith("file:lengths.txt input tokens, 8..64 output tokens, ")


def test_a_level_of_a_trace_is_stored_by_its_speed_without_rps(settings, conn, client):
    workload = Workload(trace="/elsewhere/trace.jsonl", trace_window=(60, 90))
    levels = [
        replace(
            GOOD,
            load=Load(speed=speed),
            trace=TraceFacts("mooncake", 4, 0),
            started_at=GOOD.started_at + timedelta(minutes=speed),
        )
        for speed in (1, 2)
    ]
    now = levels[-1].started_at

    found = ingest.import_results(
        settings, "GPT-4o", written(*levels, workload=workload, digests={"trace": "12ab"}), now=now
    )

    names = [imported.scenario for imported in found]
    assert names[0].startswith("trace-")
    assert names == [f"{names[0].partition('@')[0]}@x{speed}" for speed in (1, 2)]
    definitions = query(conn, "SELECT definition FROM scenarios WHERE name <> 'default' ORDER BY name")
    assert [each["trace"] for (each,) in definitions] == ["12ab", "12ab"]
    assert [each["speed"] for (each,) in definitions] == [1, 2]
    board = client.get(f"/api/v1/benchmarks/leaderboard?source=measurement&scenario={names[1]}")
    ranked = [each["metric"] for each in board.json["metrics"] if each["llms"]]
    assert "ttft" in ranked
    assert "rps" not in ranked
    for (run,) in query(conn, "SELECT id FROM runs"):
        assert rederive_ranked(conn, run).keys() == {*ranked, "error_rate"} - {"rps"}
        assert client.get(f"/api/v1/benchmarks/runs/{run}").json["measurement"]["trace"]["rows"] == 4


def test_a_dataset_without_a_digest_is_refused_even_if_the_file_exists(settings, conn, tmp_path):
    file = tmp_path / "prompts.jsonl"
    file.write_text('{"prompt": "Hello"}\n')

    results = replace(written(GOOD, workload=Workload(dataset=str(file))), file_sha256={})

    with pytest.raises(UnusableResultsError, match="file_sha256: does not fit"):
        import_results(settings, "GPT-4o", results)

    assert nothing_is_stored(conn)
