import json

import pytest

from llm_measure.client.level import measure_level
from llm_measure.endpoints import Endpoint
from llm_measure.load.datasets import DatasetError
from llm_measure.mock_server.behaviour import Behaviour
from llm_measure.mock_server.process import running_mock_server
from llm_measure.records import Numbers
from llm_measure.report.document import summaries
from llm_measure.results import LevelResult
from llm_measure.workloads import Load, Workload
from tests.llm_measure.scripted import scripted, whole
from tests.llm_measure.streams import STREAMS, chat


@pytest.fixture(scope="module")
def endpoint():
    with running_mock_server(Behaviour(ttft=0.02, itl=0.001)) as url:
        yield Endpoint(url, "m")


def measured(endpoint: Endpoint, load: Load, **options: object) -> LevelResult:
    return measure_level(endpoint, Workload(output_tokens=3, seed=1), load, **options)


@pytest.mark.parametrize("processes", [1, 3])
def test_a_closed_loop_sends_its_requests_and_never_exceeds_its_concurrency(endpoint, processes):
    result = measured(endpoint, Load(concurrency=5, requests=40, warmup=7), processes=processes)

    assert len({record.index for record in result.records}) == len(result.records) == 47
    assert sum(record.warmup for record in result.records) == 7
    assert {record.error for record in result.records} == {None}
    begun = [(record.sent_ns, 1) for record in result.records]
    moments = sorted(begun + [(record.end_ns, -1) for record in result.records])
    in_flight, most = 0, 0
    for _, change in moments:
        in_flight += change
        most = max(most, in_flight)
    assert most == 5
    assert result.client_cpu_s > 0


@pytest.mark.moments
@pytest.mark.parametrize("processes", [1, 2])
def test_the_rate_of_a_closed_loop_is_that_of_its_streams(processes):
    load = Load(concurrency=100, requests=400, warmup=100)
    with running_mock_server(Behaviour(ttft=0.2, itl=0.01)) as url:
        result = measure_level(Endpoint(url, "m"), Workload(output_tokens=11), load, processes=processes)

    metrics = summaries(result, Workload())
    # Requests take 0.3 s on the server and a little more on the way.
    assert 0.96 * 100 / 0.3 < metrics["rps"].mean <= 100 / 0.3
    assert metrics["output_throughput"].mean == pytest.approx(11 * metrics["rps"].mean)
    assert result.span.begin_ns >= result.start_ns
    assert result.span.seconds < result.duration_s


@pytest.mark.moments
@pytest.mark.parametrize("processes", [1, 2])
def test_an_open_loop_sends_at_the_planned_moments(endpoint, processes):
    result = measured(endpoint, Load(rate=100, requests=50, warmup=10), processes=processes)

    assert len(result.records) == 60
    intended = [record.intended_ns for record in result.records]
    assert intended == sorted(intended)
    assert result.start_ns == intended[10]
    assert result.send_lag.p50 < 5
    assert all(record.sent_ns >= record.intended_ns for record in result.records)


def test_the_plan_depends_on_the_seed_and_not_on_the_number_of_processes(endpoint):
    load = Load(rate=200, requests=20)
    gaps = [
        [record.intended_ns - result.records[0].intended_ns for record in result.records]
        for result in (measured(endpoint, load), measured(endpoint, load, processes=2))
    ]

    assert gaps[0] == gaps[1]


@pytest.mark.moments
@pytest.mark.parametrize(
    "load", [Load(concurrency=3, duration_s=0.5, warmup=3), Load(rate=50, duration_s=0.5)]
)
def test_a_duration_is_kept(endpoint, load):
    result = measured(endpoint, load)
    measured_ones = [record for record in result.records if not record.warmup]

    assert (max(record.sent_ns for record in measured_ones) - result.start_ns) / 1e9 <= 0.6
    assert 0.4 < result.duration_s < 1


def test_progress_is_reported(endpoint):
    reported = []
    measured(endpoint, Load(concurrency=1, requests=20), on_progress=reported.append)

    assert reported
    assert all(news.failed == 0 and news.ended <= news.sent <= 20 for news in reported)
    assert reported[-1].elapsed_s > reported[0].elapsed_s


def test_levels_share_no_prompt():
    with scripted(whole(STREAMS["no usage"].body), keep=True) as server:
        for index in (0, 10):
            measured(Endpoint(server.url, "m"), Load(concurrency=1, requests=10), first=Numbers(index))

    assert len(set(server.requests)) == 20


def test_an_unreadable_dataset_is_reported_before_anything_is_sent(endpoint, tmp_path):
    workload = Workload(dataset=str(tmp_path / "nowhere"))
    for processes in (1, 2):
        with pytest.raises(DatasetError):
            measure_level(endpoint, workload, Load(concurrency=2, requests=2), processes=processes)


def test_prompts_of_a_dataset_are_sent(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({"prompt": "what is this?"}))
    with scripted(whole(STREAMS["no usage"].body), keep=True) as server:
        workload = Workload(dataset=str(path))
        measure_level(Endpoint(server.url, "m"), workload, Load(concurrency=1, requests=2))

    assert all(b"what is this?" in request for request in server.requests)


@pytest.mark.parametrize("processes", [1, 2])
def test_prompts_of_a_dataset_that_are_sent_again_are_counted(endpoint, tmp_path, processes):
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(json.dumps({"prompt": f"what is {number}?"}) for number in range(8)))
    workload, load = Workload(dataset=str(path)), Load(concurrency=2, requests=6, warmup=2)

    once = measure_level(endpoint, workload, load, processes=processes)
    then = measure_level(endpoint, workload, load, first=Numbers(5), processes=processes)
    made_up = measure_level(endpoint, Workload(), load, first=Numbers(5), processes=processes)

    assert [result.repeated_prompts for result in (once, then, made_up)] == [0, 5, 0]


@pytest.mark.parametrize("message", ["Incorrect API key: sk-s3cret-key.", "x" * 182 + " sk-s3cret-key"])
def test_a_key_that_the_endpoint_repeats_is_hidden(message):
    body = json.dumps({"error": {"message": message}}).encode()
    with scripted(whole(body, "401 Unauthorized", "application/json")) as server:
        result = measured(Endpoint(server.url, "m", api_key="sk-s3cret-key"), Load(concurrency=1, requests=1))

    (record,) = result.records
    assert record.error == "http_4xx"
    assert "(hidden)" in record.error_detail
    assert "sk-s" not in record.error_detail


def test_a_key_in_a_finish_reason_is_hidden():
    body = chat({"content": "a"}, "sk-s3cret-key").encode()
    with scripted(whole(body)) as server:
        result = measured(Endpoint(server.url, "m", api_key="sk-s3cret-key"), Load(concurrency=1, requests=1))

    assert [record.finish_reason for record in result.records] == ["(hidden)"]


def test_tokens_beyond_what_a_level_keeps_fail_their_requests(monkeypatch, endpoint):
    monkeypatch.setattr("llm_measure.client.judge.MAX_LEVEL_TOKENS", 10)

    result = measured(endpoint, Load(concurrency=1, requests=5))

    assert [(record.error, record.output_tokens) for record in result.records] == [
        (None, 3), (None, 3), (None, 3), ("malformed", None), ("malformed", None)
    ]  # fmt: skip
    assert result.records[3].error_detail == "level: more than 10 tokens; expected at most that"


def test_a_level_that_is_repeated_has_other_arrivals(endpoint):
    load = Load(rate=200, requests=10)

    plans = [
        [record.intended_ns - result.start_ns for record in result.records]
        for result in (measured(endpoint, load, first=Numbers(index)) for index in (0, 10))
    ]

    assert plans[0] != plans[1]
