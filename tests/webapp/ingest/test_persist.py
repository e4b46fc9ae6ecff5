"""A measured level stored: requests, points, rollups, and a run that is ranked or is not."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as trying
from hypothesis import strategies as st

from llm_measure.metrics import METRICS, derive
from llm_measure.workloads import Load
from tests.measured import ANY_RECORDS, answered, failed, level, measurement, store_level
from tests.support import query
from tests.web import RANKINGS
from webapp.ingest.attempt import claimed
from webapp.ingest.persist import persist, rederive
from webapp.ingest.publish import publish
from webapp.ingest.register import register

SLOT = datetime(2026, 11, 24, 12, tzinfo=UTC)
MINUTES = count(1)
WARM = [answered(index, warmup=index < 2) for index in range(6)]
PARTLY = [*WARM, failed(6), failed(7, "http_5xx", "500: out of memory")]


@pytest.fixture
def keep(conn, settings, redis):
    """Stores a level as the run of SLOT and publishes it."""

    def keep(result, what=None):
        failure = store_level(conn, settings, redis, SLOT, what or measurement(), result)
        publish(conn, settings, redis)
        return failure

    return keep


def run(conn) -> tuple:
    ((run_id, *rest),) = query(
        conn, "SELECT id, status, points, error, invalid_reason, generation IS NOT NULL FROM runs"
    )
    return run_id, tuple(rest)


def values(conn, run_id: int) -> dict[str, np.ndarray]:
    """The stored points of a run by metric."""
    found = {}
    for metric in METRICS:
        rows = query(
            conn,
            "SELECT value FROM points WHERE run_id = %s AND metric_id = %s ORDER BY ctid",
            run_id,
            metric.id,
        )
        found[metric.name] = np.array([value for (value,) in rows])
    return found


def ranked(client, metric: str) -> dict[str, float]:
    answer = client.get(f"/api/v1/benchmarks/leaderboard?source=measurement&scenario=chat@c8&metric={metric}")
    assert answer.status_code == 200, answer.data
    return {row["llm_name"]: row["mean"] for row in answer.json["metrics"][0]["llms"]}


def test_a_measured_level_is_stored_completely_and_ranked(conn, keep, client):
    assert keep(level(PARTLY)) is None

    run_id, state = run(conn)
    assert state == ("finished", sum(map(len, values(conn, run_id).values())), None, None, True)
    assert query(
        conn, "SELECT count(*) FROM requests WHERE run_id = %s AND recorded_at = %s", run_id, SLOT
    ) == [(8,)]
    assert values(conn, run_id)["ttft"] == pytest.approx([0.2] * 4)
    assert values(conn, run_id)["error_rate"] == pytest.approx([2 / 6])
    assert ranked(client, "ttft") == ranked(client, "ttfa") == {"Measured": pytest.approx(0.2)}
    assert ranked(client, "reasoning_share") == {"Measured": 0}
    assert ranked(client, "error_rate") == {"Measured": pytest.approx(2 / 6)}
    assert ranked(client, "slo_attainment") == {"Measured": pytest.approx(4 / 6)}
    assert ranked(client, "goodput") == {"Measured": pytest.approx(4 / 8)}


def test_points_are_derived_again_from_the_stored_requests(conn, keep):
    keep(level(PARTLY))
    run_id, _ = run(conn)

    again = rederive(conn, run_id)

    stored = values(conn, run_id)
    assert {name for name, found in again.items() if len(found)} == {
        name for name, found in stored.items() if len(found)
    }
    for name, found in again.items():
        assert found.tolist() == stored[name].tolist(), name


def test_rates_are_derived_again_over_the_span_in_which_the_load_was_held(conn, keep, client):
    held = level([answered(index, ttft=3.0) for index in range(12)])
    held = replace(held, load=Load(concurrency=3, requests=12))
    assert 0 < held.span.seconds < 12

    keep(held)

    run_id, _ = run(conn)
    rps = derive(held.records, {}, held.span)["rps"].tolist()
    assert values(conn, run_id)["rps"].tolist() == rederive(conn, run_id)["rps"].tolist() == rps


def test_the_rps_that_a_load_sets_is_in_the_run_and_in_no_ranking(conn, keep, client):
    at_a_rate = replace(level(PARTLY), load=Load(rate=2, requests=6))

    assert keep(at_a_rate, measurement(load=at_a_rate.load)) is None

    run_id, _ = run(conn)
    assert len(values(conn, run_id)["rps"]) == 0
    assert len(values(conn, run_id)["output_throughput"]) == 1
    kept = "SELECT measurement->'offered_rate', measurement->'saturated' FROM runs"
    assert query(conn, kept) == [(1, False)]
    assert len(rederive(conn, run_id)["rps"]) == 1


def test_gaps_of_a_buffered_stream_are_in_no_ranking(conn, keep, client):
    keep(level([answered(0), answered(1, itl=0.0)]))

    run_id, _ = run(conn)
    assert query(conn, "SELECT measurement->'chunks_together' FROM runs") == [(0.5,)]
    assert {name: len(found) for name, found in values(conn, run_id).items() if name in ("itl", "tpot")} == {
        "itl": 0,
        "tpot": 1,
    }
    assert ranked(client, "itl") == {}


def test_a_run_that_was_not_measured_cannot_be_derived_again(conn):
    with pytest.raises(LookupError):
        rederive(conn, 1)


def test_a_run_whose_requests_are_deleted_cannot_be_derived_again(conn, keep):
    keep(level(PARTLY))
    run_id, _ = run(conn)
    query(conn, "DELETE FROM requests RETURNING 1")

    with pytest.raises(LookupError, match="no longer kept"):
        rederive(conn, run_id)


def test_a_level_without_a_response_is_a_failed_run_that_keeps_its_requests(conn, keep, client):
    failure = keep(level([failed(0), failed(1), failed(2, "connect", "refused")]))

    run_id, state = run(conn)
    assert failure == "all 3 requests failed (timeout 2, connect 1); the first with: no answer within 60 s"
    assert state == ("failed", None, failure, None, True)
    assert query(conn, "SELECT error FROM requests WHERE run_id = %s ORDER BY number", run_id) == [
        ("timeout",),
        ("timeout",),
        ("connect",),
    ]
    assert query(conn, "SELECT count(*) FROM points") == query(conn, "SELECT count(*) FROM rollups") == [(0,)]
    assert ranked(client, "error_rate") == {}


def test_neither_warm_up_nor_cancelled_requests_count_as_responses(conn, keep):
    records = [answered(0, warmup=True), failed(1), failed(2, "cancelled", "stopped")]

    assert keep(level(records)).startswith("all 1 requests failed (timeout 1)")


def test_an_invalid_level_is_stored_with_its_reason_and_never_ranked(conn, keep, client, redis):
    keep(level(WARM, invalid_reason="the client was the limit"))

    run_id, state = run(conn)
    assert state == ("invalid", 0, None, "the client was the limit", True)
    assert query(conn, "SELECT count(*) FROM requests") == [(6,)]
    assert query(conn, "SELECT count(*) FROM points") == query(conn, "SELECT count(*) FROM rollups") == [(0,)]
    assert rederive(conn, run_id)["ttft"] == pytest.approx([0.2] * 4)
    assert ranked(client, "ttft") == {}
    (shown,) = client.get("/api/v1/benchmarks/runs?status=invalid").json["runs"]
    assert (shown["id"], shown["invalid_reason"]) == (run_id, "the client was the limit")


def test_an_invalid_run_is_not_claimed_again(conn, keep, settings, redis):
    keep(level(WARM, invalid_reason="the client was the limit"))

    with claimed(
        conn, settings, source="measurement", scenario="chat@c8", slot=SLOT, job_id="again", llm="Measured"
    ) as attempt:
        assert attempt.runs == []


def test_a_retry_replaces_the_failed_attempt(conn, keep):
    keep(level([failed(0), failed(1)]))

    keep(level(WARM))

    assert run(conn)[1][0] == "finished"
    assert query(conn, "SELECT attempts, error FROM runs") == [(2, None)]
    assert query(conn, "SELECT number, error FROM requests ORDER BY number") == [(n, None) for n in range(6)]


def test_an_attempt_writes_nothing_after_a_newer_one_has_claimed_the_run(conn, keep, settings, redis):
    what = measurement()
    register(conn, settings, redis, what)
    with claimed(
        conn, settings, source="measurement", scenario=what.scenario, slot=SLOT, job_id="older", llm=what.llm
    ) as older:
        keep(level(WARM))

        assert persist(conn, older, what.workload, level(PARTLY)) is None

    assert query(conn, "SELECT count(*) FROM requests") == [(6,)]


def test_an_attempt_that_writes_again_since_the_answer_to_its_commit_was_lost_changes_nothing(
    conn, settings, redis
):
    what = measurement()
    register(conn, settings, redis, what)
    with claimed(
        conn, settings, source="measurement", scenario=what.scenario, slot=SLOT, job_id="job", llm=what.llm
    ) as attempt:
        persist(conn, attempt, what.workload, level(WARM))
        stored = query(conn, "SELECT runs::text FROM runs")

        persist(conn, attempt, what.workload, level(WARM))

    assert query(conn, "SELECT runs::text FROM runs") == stored
    assert query(conn, "SELECT count(*) FROM requests") == [(6,)]


def test_measurements_do_not_change_the_simulation(conn, keep, client, show_next_run):
    show_next_run()
    rankings = client.get(RANKINGS).json

    keep(level(WARM))
    keep(level(WARM), measurement("GPT-4o"))

    assert client.get(RANKINGS).json == rankings
    assert set(ranked(client, "ttft")) == {"Measured", "GPT-4o"}
    show_next_run()
    simulated = query(
        conn,
        "SELECT DISTINCT name FROM runs JOIN llms ON llms.id = llm_id WHERE source = 'simulation' ORDER BY 1",
    )
    assert simulated == [("Claude 3.5 Sonnet",), ("GPT-4o",), ("Llama 3.1 70B",)]


@pytest.mark.parametrize("detail", ["nul \0 here", "half \ud83d of a pair"])
def test_a_failure_with_text_that_postgresql_refuses_is_stored(conn, keep, detail):
    keep(level([failed(0, "http_5xx", detail)]))

    ((error, of_request),) = query(conn, "SELECT runs.error, requests.error_detail FROM runs, requests")
    assert error.endswith(of_request)
    assert of_request[:4] == detail[:4]


EXTREMES = [
    {"output_tokens": -5},
    {"output_tokens": 2**63},
    {"prompt_tokens": -1},
    {"prompt_tokens": 2**31},
    {"chunk_tokens": [2**40] * 5},
    {"chunk_tokens": [-1] * 5},
    {"chunk_tokens": [1]},
    {"chunk_offsets_ns": [2**70] * 5},
    {"chunk_offsets_ns": [5, 4, 3, 2, 1]},
    {"intended_ns": -(2**70)},
    {"sent_ns": 2**70},
    {"end_ns": 0},
    {"first_token_ns": -(2**63)},
    {"last_token_ns": 2**64},
    {"first_byte_ns": 2**64},
    {"connect_ns": 2**64},
    {"status": 70_000},
]


def test_a_request_of_impossible_values_fails_and_the_run_is_ranked_by_the_others(conn, keep, client):
    odd = [replace(answered(index), **values) for index, values in enumerate(EXTREMES, len(WARM))]

    assert keep(level([*WARM, *odd])) is None

    assert run(conn)[1][0] == "finished"
    rows = query(
        conn, "SELECT error, error_detail FROM requests WHERE number >= %s ORDER BY number", len(WARM)
    )
    assert {error for error, _ in rows} == {"malformed"}
    for values, (_, detail) in zip(EXTREMES, rows, strict=True):
        assert detail.startswith(next(iter(values))) or "before" in detail
    assert ranked(client, "ttft") == {"Measured": pytest.approx(0.2)}
    assert ranked(client, "error_rate") == {"Measured": pytest.approx(len(odd) / (4 + len(odd)))}


@trying(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(odd=st.lists(ANY_RECORDS, max_size=50))
def test_no_numbers_of_a_request_keep_a_level_from_being_stored(conn, settings, redis, odd):
    numbered = [replace(record, index=index) for index, record in enumerate(odd, len(WARM))]
    slot = SLOT + timedelta(minutes=next(MINUTES))

    failure = store_level(conn, settings, redis, slot, measurement(), level([*WARM, *numbered]))

    assert failure is None
    assert query(conn, "SELECT count(*) FROM requests WHERE recorded_at = %s", slot) == [(6 + len(odd),)]
