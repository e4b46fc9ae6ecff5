import json
from dataclasses import asdict, replace

import pytest

from llm_measure.endpoints import Endpoint
from llm_measure.load.datasets import DatasetError
from llm_measure.report.document import as_json, document, file_digests
from llm_measure.workloads import Load, Workload
from tests.measured import answered, failed, level

ENDPOINT = Endpoint("http://x:8000/v1", "m", api_key="sesame")
WORKLOAD = Workload(slo={"ttft": 0.5}, seed=7)
RECORDS = [
    answered(0, warmup=True), answered(1), answered(2), failed(3),
    failed(4, "http_5xx", "500: first"), failed(5, "http_5xx", "500: second"),
    failed(6, "cancelled", "stopped"),
]  # fmt: skip


def test_it_states_what_was_asked_where_and_by_which_seed():
    found = document(ENDPOINT, WORKLOAD, [level(RECORDS)], digests={"dataset": "abc"})

    assert found["endpoint"] == {
        "base_url": "http://x:8000/v1",
        "model": "m",
        "api": "chat",
        "headers": {},
        "key_header": None,
        "key_scheme": None,
        "max_tokens_field": "max_tokens",
        "stream_usage": True,
        "extra_body": {},
        "ca_file": None,
        "client_cert": None,
        "client_key": None,
        "insecure": False,
        "proxy": None,
        "http2": False,
    }
    assert found["workload"] == {**WORKLOAD.asked(), "file_sha256": {"dataset": "abc"}}


def test_a_level_counts_measured_requests_and_errors_by_class():
    (found,) = document(ENDPOINT, WORKLOAD, [level(RECORDS, "the client was the limit")])["levels"]

    assert (found["pattern"], found["concurrency"], found["requests"]) == ("closed", 8, 6)
    assert found["errors"] == {"timeout": 1, "http_5xx": 2, "cancelled": 1}
    assert found["error_details"] == {
        "timeout": "no answer within 60 s",
        "http_5xx": "500: first",
        "cancelled": "stopped",
    }
    assert (found["valid"], found["invalid_reason"]) == (False, "the client was the limit")
    assert found["token_sources"] == {"usage": 2}
    assert found["metrics"]["error_rate"]["mean"] == pytest.approx(3 / 5)
    assert set(found["from_intended"]) == {"ttft", "e2e_latency"}
    assert "records" not in found


def test_a_level_states_the_span_of_its_rates_in_seconds_since_its_start():
    records = [answered(index, ttft=3.0, warmup=index < 1) for index in range(12)]
    held = replace(level(records), load=Load(concurrency=3, requests=12))
    (found,) = document(ENDPOINT, WORKLOAD, [held])["levels"]

    assert found["span_s"] == pytest.approx([1, 11.04], abs=0.01)


def test_a_level_has_the_share_of_chunks_that_came_together():
    buffered = level([answered(0, warmup=True), answered(1, itl=0.0), answered(2)])
    (found, none) = document(ENDPOINT, WORKLOAD, [buffered, level([failed(0)])])["levels"]

    assert (found["chunks_together"], none["chunks_together"]) == (0.5, None)
    assert found["not_ranked"] == {"itl": "50% of the chunks came together with the one before"}
    assert none["not_ranked"] == {}


def test_chunks_that_the_client_read_late_are_not_those_that_the_server_sent_together():
    late = answered(0)
    late.late_chunks = 4
    (found,) = document(ENDPOINT, WORKLOAD, [level([late, answered(1, itl=0.0), *map(answered, (2, 3))])])[
        "levels"
    ]

    assert (found["chunks_together"], found["chunks_read_late"]) == (0.25, 0.25)
    assert found["not_ranked"]["itl"] == (
        "25% of the chunks came together with the one before, 25% were read late"
    )


def test_a_level_says_whose_clock_its_moments_are_of():
    (found,) = document(ENDPOINT, WORKLOAD, [level([answered(0)])])["levels"]

    assert found["clock"] == "kernel"


def test_a_level_at_a_rate_has_the_offered_and_the_achieved_rate():
    result = replace(level([answered(0), failed(1), answered(2)]), load=Load(rate=2.5, requests=3))

    (found,) = document(ENDPOINT, WORKLOAD, [result])["levels"]

    assert (found["rate"], found["offered_rate"], found["achieved_rate"]) == (2.5, 1, pytest.approx(0.5))
    assert found["saturated"] is False
    assert found["metrics"]["rps"]["n"] == 1
    assert found["not_ranked"] == {"rps": "the load sets it"}


def test_records_count_moments_from_the_start_of_the_level():
    result = level(RECORDS)
    (found,) = document(ENDPOINT, WORKLOAD, [result], records=True)["levels"]

    assert found["load"]["concurrency"] == 8
    assert found["records"] == [asdict(record.since(result.start_ns)) for record in RECORDS]
    assert found["records"][1]["intended_ns"] == 0


def test_the_key_is_nowhere():
    found = document(ENDPOINT, WORKLOAD, [level(RECORDS)], records=True)

    assert "sesame" not in as_json(found)
    assert "sesame" not in str(found)


@pytest.mark.parametrize("indent", [2, None])
def test_as_json_it_is_read_as_it_was(indent):
    found = document(ENDPOINT, WORKLOAD, [level(RECORDS)], records=True)

    assert json.loads(as_json(found, indent)) == found
    assert as_json(found, indent).count("\n") > 1 or indent is None


def test_a_dataset_is_identified_by_its_bytes(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"abc")

    assert file_digests(Workload(dataset=str(path)))["dataset"].startswith("ba7816bf8f01cfea")
    assert file_digests(Workload()) == {}
    with pytest.raises(DatasetError, match="nowhere: cannot be read"):
        file_digests(Workload(dataset=str(tmp_path / "nowhere")))
