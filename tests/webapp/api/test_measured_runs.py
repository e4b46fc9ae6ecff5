"""Measured runs in the API: their details, their requests, and runs on demand."""

from dataclasses import replace
from datetime import datetime

import pytest
from psycopg2.extras import Json

from llm_measure.workloads import Workload
from tests.measured import answered, failed, level, measurement, store_level
from tests.searched import found, store_search
from tests.support import query
from tests.web import assert_error, slot
from tests.webapp.conftest import with_key
from webapp.queue.queues import runs_queue

URL = "/api/v1/benchmarks/runs"
MIXED = level(
    [failed(0), *(answered(index) for index in range(1, 4)), failed(4, "http_5xx", "500: out of memory")],
    invalid_reason="the client was the limit",
)
MIXED_WARNINGS = [
    "The server had 50% of the prompt tokens in a cache, although prompts were meant to be unique: ttft is"
    " shorter than without. Was the same seed used before?",
    "p99 is of only 3 requests; expected at least 100.",
]


@pytest.fixture
def stored(conn, settings, redis):
    """The URL of an invalid run."""
    store_level(conn, settings, redis, slot(1), measurement(), MIXED, job_id="measurement-x-1")
    ((run_id,),) = query(conn, "SELECT id FROM runs")
    return f"{URL}/{run_id}"


SHARDS = [
    {
        "shard": number,
        "worker": f"w{number}",
        "host": "h",
        "requests": 2,
        "offset_uncertainty_ms": 0.1,
        "begin_error_ms": 0.1,
        "send_lag_ms": {"p50": 0.1, "p99": 0.5, "max": 1.5},
        "client_cpu_s": 0.1,
        "client_wait_s": 0.0,
        "valid": True,
        "invalid_reason": None,
    }
    for number in range(2)
]
AS_WORDS = {"overhead": 0, "tokens_per_word": 1.0, "probed": False, "problem": None, "words": 128.0}


class TestARun:
    def test_has_the_details_of_its_level(self, client, stored):
        run = client.get(stored).json

        assert (run["source"], run["scenario"], run["llm_name"]) == ("measurement", "chat@c8", "Measured")
        assert (run["status"], run["invalid_reason"]) == ("invalid", "the client was the limit")
        details = run["measurement"]
        assert datetime.fromisoformat(details.pop("started_at")) == MIXED.started_at
        assert details == {
            "level": "concurrency 8",
            "duration_s": 5.0,
            "requests": 5,
            "errors": {"timeout": 1, "http_5xx": 1},
            "client_cpu_s": 0.25,
            "client_wait_s": 0.125,
            "clock": "kernel",
            "http_version": "1.1",
            "send_lag_ms": {"p50": 0.1, "p99": 0.5, "max": 1.5},
            "span_ns": [0, 5_000_000_000],
            "transport": {},
            "chunks_together": 0.0,
            "chunks_read_late": 0.0,
            "repeated_prompts": 0,
            "retry_after": {"requests": 0, "waited_s": 0.0},
            "answered_by": {"another": 3},
            "prompt": AS_WORDS,
            "prompt_tokens": {"asked": 384, "counted": 384, "cached": 192},
            "cached_share": 0.5,
            "output_tokens": {"asked": 384, "counted": 15, "seen": 15, "chunks": 15},
            "token_sources": {"usage": 3},
            "finish_reasons": {"length": 3},
            "warnings": MIXED_WARNINGS,
            "slo": {"ttft": 0.5},
        }

    def test_has_the_shards_of_a_level_that_workers_shared(self, client, conn, stored):
        query(conn, "UPDATE runs SET measurement = measurement || %s RETURNING id", Json({"shards": SHARDS}))

        assert client.get(stored).json["measurement"]["shards"] == SHARDS

    def test_names_the_options_of_its_connection(self, client, conn, settings, redis):
        options = {"insecure": True, "proxy": "http://us:${PASSWORD}@proxy:3128"}
        through = replace(level([answered(0)]), transport=options)
        store_level(conn, settings, redis, slot(1), measurement(rank_insecure=True), through)

        run = client.get(URL).json["runs"][0]

        assert (run["status"], run["measurement"]["transport"]) == ("finished", options)
        assert run["measurement"]["warnings"][0].startswith("TLS was not verified (insecure)")

    def test_of_a_search_has_its_bracket_and_path(self, client, conn, settings, redis):
        store_search(conn, settings, redis, slot(1), found(12.0, 13.0))

        details = client.get(URL).json["runs"][0]["measurement"]

        assert details["level"] == "capacity by rate"
        find = details["find"]
        assert (find["kind"], find["capacity"], find["low"], find["high"], find["decided"]) == (
            *("rate", 12, 12, 13, True),
        )
        assert [(each["load"], each["verdict"], each["throughput"]) for each in find["path"]] == [
            (12, "met", 12),
            (13, "missed", 13),
        ]
        assert find["path"][1]["attained"]["ttft:p95"] == pytest.approx(
            {"value": 0.8, "low": 0.7, "high": 0.9, "verdict": "missed"}
        )

    def test_of_a_search_that_ended_early_has_its_reason(self, client, conn, settings, redis):
        reason = "the endpoint stopped answering: all 64 requests failed with connect"
        store_search(conn, settings, redis, slot(1), replace(found(12.0, 13.0), reason=reason))

        assert client.get(URL).json["runs"][0]["measurement"]["find"]["reason"] == reason

    def test_that_was_simulated_has_no_details(self, client, show_next_run):
        show_next_run()

        (run, *_) = client.get(URL).json["runs"]

        assert run["measurement"] is run["invalid_reason"] is None

    def test_is_found_by_its_status(self, client, stored):
        assert len(client.get(f"{URL}?status=invalid").json["runs"]) == 1
        assert client.get(f"{URL}?status=failed").json["runs"] == []

    def test_that_is_invalid_belongs_to_a_finished_job(self, client, stored):
        assert client.get(f"{URL}/measurement-x-1").json["status"] == "finished"


class TestItsRequests:
    def test_are_listed_by_number_with_all_fields(self, client, stored):
        answer = client.get(f"{stored}/requests").json

        assert [request["number"] for request in answer["requests"]] == [0, 1, 2, 3, 4]
        assert answer["next"] is None
        first, second, *_, last = answer["requests"]
        assert (first["error"], first["first_token_ns"], first["output_tokens"]) == ("timeout", None, None)
        assert last["error_detail"] == "500: out of memory"
        assert second["first_token_ns"] - second["sent_ns"] == second["chunk_offsets_ns"][0] == 200_000_000
        assert (second["token_source"], second["chunk_tokens"]) == ("usage", [1] * 5)
        assert second["first_answer_ns"] == second["first_token_ns"]
        assert (second["cached_tokens"], second["reasoning_tokens"]) == (64, 0)
        assert (second["answered_by"], first["answered_by"]) == ("another", None)

    def test_that_are_turns_have_the_number_of_their_conversation(self, client, conn, settings, redis):
        records = [answered(number) for number in range(4)]
        for number, record in enumerate(records):
            record.conversation, record.turn = number // 2, number % 2 + 1
        talk = measurement(workload_name="talk", workload=Workload(turns=2))
        store_level(conn, settings, redis, slot(7), talk, level(records))

        (run, *_) = client.get(f"{URL}?scenario=talk@c8").json["runs"]
        listed = client.get(f"{URL}/{run['id']}/requests").json["requests"]

        turns = [(each["conversation"], each["turn"]) for each in listed]
        assert turns == [(0, 1), (0, 2), (1, 1), (1, 2)]
        assert run["measurement"]["conversations"] == 2
        assert run["measurement"]["by_turn"]["later"]["ttft"]["n"] == 2

    def test_are_listed_in_pages(self, client, stored):
        numbers, cursor = [], ""
        while True:
            page = client.get(f"{stored}/requests?limit=2{cursor}").json
            numbers.append([request["number"] for request in page["requests"]])
            if page["next"] is None:
                break
            cursor = f"&cursor={page['next']}"

        assert numbers == [[0, 1], [2, 3], [4]]

    def test_of_a_simulated_run_are_an_empty_list(self, client, show_next_run):
        show_next_run()
        (run, *_) = client.get(URL).json["runs"]

        assert client.get(f"{URL}/{run['id']}/requests").json == {"requests": [], "next": None}

    @pytest.mark.parametrize("run_id", ["99", "simulation-1", "9" * 40])
    def test_of_an_unknown_run_are_404(self, client, run_id):
        assert_error(client.get(f"{URL}/{run_id}/requests"), 404)


@pytest.fixture
def declaring(make_app, tmp_path):
    """A client of an app whose benchmark file declares Measured at chat@c8."""
    path = tmp_path / "benchmark.yml"
    path.write_text(
        "llms: [{name: Measured, base_url: 'http://127.0.0.1:9/v1', model: m}]\n"
        "workloads: [{name: chat, concurrency: 8, requests: 4}]\n"
    )
    return with_key(make_app(benchmark_file=str(path)))


DECLARED = {"measure": {"llm": "Measured", "scenario": "chat@c8"}}


class TestOneOnDemand:
    def test_is_enqueued_and_its_url_returned(self, declaring, redis):
        response = declaring.post(URL, json=DECLARED)

        assert response.status_code == 202
        job_id = response.json["job_id"]
        assert job_id.startswith("measurement-measured-chat-c8-")
        assert response.headers["Location"] == f"{URL}/{job_id}"
        assert declaring.get(response.headers["Location"]).json["status"] == "queued"
        assert runs_queue(redis).job_ids == [job_id]

    def test_that_is_still_queued_is_returned_again(self, declaring, redis):
        first, again = (declaring.post(URL, json=DECLARED).json["job_id"] for _ in range(2))

        assert first == again
        assert declaring.post(URL).json["job_id"].startswith("simulation-")
        assert len(runs_queue(redis).job_ids) == 2

    @pytest.mark.parametrize("missing", [{"llm": "Other"}, {"scenario": "chat@c9"}])
    def test_that_is_not_in_the_benchmark_file_is_404(self, declaring, missing):
        error = assert_error(declaring.post(URL, json={"measure": {**DECLARED["measure"], **missing}}), 404)

        assert "not in the benchmark file" in error["message"]

    @pytest.mark.parametrize("body", [{"measure": {"llm": "Measured"}}, {"measure": 1}, {"llm": "Measured"}])
    def test_with_missing_fields_is_refused(self, declaring, body):
        assert_error(declaring.post(URL, json=body), 422)

    def test_with_another_content_type_than_json_is_refused(self, declaring):
        assert_error(declaring.post(URL, data="measure=1"), 415)
