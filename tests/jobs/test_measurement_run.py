"""Measured runs, without a queue."""

import ssl
import sys
from collections import deque
from contextlib import closing

import pytest
import trustme
from rq.timeouts import JobTimeoutException

from bench.traces import FOLDER
from jobs.measurement_run import MeasurementError, fill_slot, fill_slots, run_measurement
from llm_measure.endpoints import Endpoint
from llm_measure.load.traces import trace_of
from llm_measure.metrics import METRICS
from llm_measure.workloads import Load, Workload
from tests.llm_measure.scripted import ScriptedServer, read_request, scripted, whole
from tests.llm_measure.streams import DONE, chat, event
from tests.measured import measurement
from tests.support import query
from tests.web import free_port
from webapp.ingest.persist import rederive
from webapp.ingest.register import ChangedScenarioError
from webapp.plan.measurement import Task
from webapp.store.clock import FutureSlotError


@pytest.mark.usefixtures("own_environment")
def test_a_measurement_that_left_the_benchmark_file_is_dropped(conn):
    assert run_measurement("Gone", "chat", 1) is None

    assert query(conn, "SELECT FROM runs") == []


@pytest.mark.parametrize(
    ("where", "load", "workload", "error"),
    [
        ("nowhere", Load(concurrency=4, requests=10_000), Workload(), "connect"),
        ("stalled", Load(rate=20, requests=10_000), Workload(timeout_s=0.2), "timeout"),
    ],
)
def test_a_level_stops_early_when_every_request_fails(
    conn, settings, redis, mock_servers, where, load, workload, error
):
    url = f"http://127.0.0.1:{free_port()}/v1" if where == "nowhere" else mock_servers.start(stall_rate=1)
    dead = measurement(endpoint=Endpoint(url, "m"), load=load, workload=workload)

    with pytest.raises(MeasurementError, match=rf"all \d+ requests failed \({error}"):
        fill_slot(settings, redis, dead, 4_102_473_600, "job")

    rows = query(conn, "SELECT count(*), bool_and(error IN (%s, 'cancelled')) FROM requests", error)
    assert rows[0][0] < 100
    assert rows[0][1]


def test_a_level_continues_when_rate_limits_fail_some_requests_and_the_others_are_slow(
    conn, settings, redis, mock_servers
):
    crowded = measurement(
        endpoint=Endpoint(mock_servers.start(ttft=1, itl=0, rate_limit_rate=0.4, seed=1), "m"),
        load=Load(concurrency=32, requests=100),
        workload=Workload(output_tokens=2),
    )

    fill_slot(settings, redis, crowded, 4_102_473_600, "job")

    assert query(conn, "SELECT DISTINCT error FROM requests ORDER BY 1") == [("rate_limited",), (None,)]
    assert query(conn, "SELECT count(*) FROM requests") == [(100,)]


def test_prompts_have_the_tokens_of_the_endpoints_count_and_the_scenario_stays(
    conn, settings, redis, mock_servers
):
    url = mock_servers.start(ttft=0, itl=0, template_tokens=20, tokens_per_word=1.2)
    what = measurement(endpoint=Endpoint(url, "m"), workload=Workload(input_tokens=100, output_tokens=2))
    definition = what.definition

    for slot in (4_102_473_600, 4_102_477_200):
        fill_slot(settings, redis, what, slot, "job")

    ((mean,),) = query(conn, "SELECT avg(prompt_tokens) FROM requests WHERE NOT warmup")
    assert float(mean) == pytest.approx(100, rel=0.02)
    ((overhead, probed),) = query(
        conn,
        "SELECT DISTINCT measurement #>> '{prompt,overhead}', measurement #>> '{prompt,probed}' FROM runs",
    )
    assert (overhead, probed) == ("20", "true")
    assert query(conn, "SELECT definition FROM scenarios WHERE name = %s", what.scenario) == [(definition,)]


def test_the_levels_after_one_that_failed_are_measured_and_the_job_fails(conn, settings, redis, mock_servers):
    good, bad = mock_servers.start(ttft=0, itl=0), f"http://127.0.0.1:{free_port()}/v1"
    levels = tuple(
        measurement(endpoint=Endpoint(url, "m"), load=Load(concurrency=n, requests=n))
        for n, url in ((1, bad), (2, good), (3, bad), (4, good))
    )

    with pytest.raises(MeasurementError, match=r"^2 of 4 levels failed: chat@c1: all 1 requests failed"):
        fill_slots(settings, redis, Task("chat", levels), 4_102_473_600, "job")

    rows = query(conn, "SELECT name, status, job_id FROM runs JOIN scenarios ON scenarios.id = scenario_id")
    states = {name: (status == "failed", job_id) for name, status, job_id in rows}
    assert states == {f"chat@c{n}": (n in (1, 3), "job") for n in (1, 2, 3, 4)}


@pytest.mark.parametrize("error", [JobTimeoutException("late"), FutureSlotError("early")])
def test_neither_a_timeout_nor_a_future_slot_is_a_levels_failure(settings, redis, monkeypatch, error):
    def fail(*arguments: object) -> None:
        asked.append(arguments)
        raise error

    asked = []
    monkeypatch.setattr("jobs.measurement_run.fill_slot", fail)

    with pytest.raises(type(error)):
        fill_slots(settings, redis, Task("chat", (measurement(), measurement())), 600, "job")
    assert len(asked) == 1


def answer(*events: str) -> bytes:
    return whole("".join(events).encode())


TOKEN = chat({"content": "a"})
HOSTILE = [
    answer(chat({"content": "a"}, "nul \0 and \x1b[2J"), DONE),
    answer(TOKEN, event(error={"message": "nul \0 and \x1b[2J"})),
    answer(TOKEN, event(error={"message": "no", "code": 5000 * "4"})),
    answer(TOKEN, event(usage={"completion_tokens": -5}), DONE),
    answer(TOKEN, event(usage={"completion_tokens": 10_000_000}), DONE),
    answer(TOKEN, event(usage={"completion_tokens": 2**63}), DONE),
    answer(TOKEN, f'data: {{"error": {990 * "["}{990 * "]"}}}\n\n'),
    whole(b"", "999 Much"),
    2000 * b"x: y\r\n",
]


@pytest.mark.usefixtures("lenient_validity")
def test_a_hostile_response_costs_its_request_and_not_the_run(conn, settings, redis, client):
    class Server(ScriptedServer):
        def _respond(self, connection):
            read_request(connection)
            connection.sendall(answers.popleft() if answers else answer(TOKEN, chat({}, "stop"), DONE))

    answers = deque([b"", *HOSTILE])  # the first one is for the probe
    with closing(Server([], keep=False, tls=None)) as server:
        what = measurement(
            endpoint=Endpoint(server.url, "m"),
            load=Load(concurrency=1, requests=len(HOSTILE) + 3),
            workload=Workload(output_tokens=5),
        )
        fill_slot(settings, redis, what, 4_102_473_600, "job")

    rows = query(conn, "SELECT error, output_tokens, error_detail FROM requests ORDER BY number")
    assert [error for error, *_ in rows[len(HOSTILE) :]] == [None] * 3
    assert [error for error, *_ in rows[1:3]] == ["http_5xx"] * 2
    assert {error for error, *_ in rows[3 : len(HOSTILE)]} <= {"malformed", "http_5xx"}
    assert query(conn, "SELECT status, points > 0 FROM runs") == [("finished", True)]
    ((run_id,),) = query(conn, "SELECT id FROM runs")
    shown = client.get(f"/api/v1/benchmarks/runs/{run_id}/requests").json["requests"]
    assert [(each["error"], each["error_detail"]) for each in shown] == [(row[0], row[2]) for row in rows]


@pytest.mark.usefixtures("own_environment")
def test_a_header_of_the_environment_is_sent_and_stored_nowhere(conn, settings, redis, monkeypatch):
    echo = whole(b'{"error": {"message": "wrong key sesame-open"}}', "403 No", "application/json")
    with scripted(echo) as server:
        what = measurement(
            endpoint=Endpoint(server.url, "m", headers={"api-key": "${SECRET_KEY_OF_TEST}"}),
            load=Load(concurrency=1, requests=1),
        )
        with pytest.raises(MeasurementError, match="variable SECRET_KEY_OF_TEST: not set or empty in the"):
            fill_slot(settings, redis, what, 4_102_473_600, "job")
        monkeypatch.setenv("SECRET_KEY_OF_TEST", "sesame-open")
        with pytest.raises(MeasurementError, match=r"wrong key \(hidden\)"):
            fill_slot(settings, redis, what, 4_102_473_600, "job")

    assert b"api-key: sesame-open\r\n" in server.requests[0]
    for table in ("requests", "runs", "scenarios", "llms"):
        assert "sesame" not in str(query(conn, f"SELECT to_jsonb(t)::text FROM {table} AS t"))


@pytest.mark.usefixtures("own_environment", "lenient_validity")
def test_a_command_is_asked_for_the_key_and_neither_is_stored(conn, settings, redis, tmp_path):
    good = answer(TOKEN, chat({}, "stop"), DONE)
    token = tmp_path / "token"
    command = (sys.executable, "-c", f"print(open({str(token)!r}).read())")
    with scripted(good, keep=True) as server:
        what = measurement(
            endpoint=Endpoint(server.url, "m", token_command=command), load=Load(concurrency=1, requests=2)
        )
        with pytest.raises(
            MeasurementError, match=r"token_command: python\S*: exit code 1; expected a token"
        ):
            fill_slot(settings, redis, what, 4_102_473_600, "job")
        token.write_text("sesame-open")
        fill_slot(settings, redis, what, 4_102_473_600, "job")

    assert {b"\r\nAuthorization: Bearer sesame-open\r\n" in request for request in server.requests} == {True}
    assert query(conn, "SELECT status FROM runs") == [("finished",)]
    for table in ("requests", "runs", "scenarios", "llms"):
        stored = str(query(conn, f"SELECT to_jsonb(t)::text FROM {table} AS t"))
        assert "sesame" not in stored
        assert str(token) not in stored


def test_what_the_worker_lacks_for_an_endpoint_fails_the_run_in_one_line(conn, settings, redis, tmp_path):
    lost = tmp_path / "ca.pem"
    what = measurement(
        endpoint=Endpoint("https://127.0.0.1:9/v1", "m", ca_file=str(lost)),
        load=Load(concurrency=1, requests=1),
    )

    with pytest.raises(MeasurementError, match=r"\Aca_file='\S+ca.pem': cannot be read: No such file"):
        fill_slot(settings, redis, what, 4_102_473_600, "job")

    assert query(conn, "SELECT error ~ '^MeasurementError: ca_file=' FROM runs") == [(True,)]


@pytest.mark.usefixtures("lenient_validity")
@pytest.mark.parametrize("ranked", [False, True])
def test_runs_without_verified_tls_are_ranked_only_if_the_file_says_so(conn, settings, redis, ranked):
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(tls)
    with scripted(answer(TOKEN, chat({}, "stop"), DONE), keep=True, tls=tls) as server:
        what = measurement(
            endpoint=Endpoint(server.url.replace("http:", "https:"), "m", insecure=True),
            load=Load(concurrency=1, requests=2),
            rank_insecure=ranked,
        )
        fill_slot(settings, redis, what, 4_102_473_600, "job")

    ((status, reason, points),) = query(
        conn, "SELECT status, invalid_reason, (SELECT count(*) FROM points) > 0 FROM runs"
    )
    if ranked:
        assert (status, reason, points) == ("finished", None, True)
    else:
        assert (status, points) == ("invalid", False)
        assert reason.endswith("rank_insecure: true in the benchmark file ranks such runs")


@pytest.mark.usefixtures("lenient_validity")
def test_a_series_is_not_continued_with_another_body_but_with_another_header(
    conn, settings, redis, mock_servers
):
    url = mock_servers.start(ttft=0, itl=0)

    def fill(slot: int, **options: object) -> None:
        what = measurement(endpoint=Endpoint(url, "m", **options), load=Load(concurrency=1, requests=2))
        fill_slot(settings, redis, what, slot, "job")

    fill(4_102_473_600, extra_body={"top_k": 1})
    fill(4_102_474_200, extra_body={"top_k": 1}, headers={"X-Tenant": "a"})
    with pytest.raises(ChangedScenarioError, match="LLM Measured: top_k of the body changed since its last"):
        fill(4_102_474_800, extra_body={"top_k": 2})

    assert query(conn, "SELECT status FROM runs ORDER BY slot") == [("finished",), ("finished",), ("failed",)]


@pytest.mark.moments
def test_a_level_that_takes_too_long_is_stopped_and_invalid(conn, settings, redis, mock_servers):
    what = measurement(
        endpoint=Endpoint(mock_servers.start(ttft=0.8, itl=0), "m"),
        load=Load(concurrency=1, requests=5),
        workload=Workload(timeout_s=2),
        overhead_s=-10,
    )

    fill_slot(settings, redis, what, 4_102_473_600, "job")

    assert query(conn, "SELECT status, invalid_reason FROM runs") == [
        ("invalid", "stopped after 2 s, longer than all timeouts of its requests together")
    ]
    assert query(conn, "SELECT error FROM requests ORDER BY number") == [(None,), (None,), ("cancelled",)]


def test_a_level_whose_rate_the_client_cannot_hold_is_kept_as_invalid(conn, settings, redis, mock_servers):
    # No client of one process sends 100,000 requests per second.
    what = measurement(
        endpoint=Endpoint(mock_servers.start(ttft=0, itl=0), "m"),
        load=Load(rate=100_000, arrival="constant", requests=2_000),
        workload=Workload(output_tokens=1),
    )

    fill_slot(settings, redis, what, 4_102_473_600, "job")

    ((status, reason, requests, rollups),) = query(
        conn,
        "SELECT status, invalid_reason, (SELECT count(*) FROM requests), (SELECT count(*) FROM rollups)"
        " FROM runs",
    )
    assert (status, requests, rollups) == ("invalid", 2_000, 0)
    assert reason


@pytest.mark.usefixtures("lenient_validity")
@pytest.mark.parametrize("api", ["embeddings", "rerank"])
def test_inputs_are_measured_stored_and_derived_again(conn, settings, redis, mock_servers, client, api):
    asked = measurement(
        endpoint=Endpoint(mock_servers.start(ttft=0.05), "m", api),
        load=Load(concurrency=4, requests=12),
        workload=Workload(inputs=8, input_tokens=16, slo={"e2e_latency": 5.0}),
    )

    fill_slot(settings, redis, asked, 4_102_473_600, "job")

    ((run_id, described),) = query(conn, "SELECT id, measurement FROM runs WHERE status = 'finished'")
    assert (described["inputs"], described["errors"]) == (8, {})
    assert not {"output_tokens", "chunks_together", "finish_reasons"} & described.keys()
    stored = query(
        conn, "SELECT name, count(*), sum(value) FROM points JOIN metrics ON metrics.id = metric_id"
        " WHERE run_id = %s GROUP BY name", run_id,
    )  # fmt: skip
    again = rederive(conn, run_id)
    assert {name for name, *_ in stored} == {metric.name for metric in METRICS.of("encoding")}
    for name, n, total in stored:
        assert (n, total) == (len(again[name]), pytest.approx(again[name].sum())), name
    assert again["inputs_throughput"] == pytest.approx(8 * again["rps"])

    answer = client.get(f"/api/v1/benchmarks/leaderboard?source=measurement&scenario={asked.scenario}")
    boards = {board["metric"]: board["llms"] for board in answer.json["metrics"]}
    assert list(boards) == [metric.name for metric in METRICS.of("encoding")]
    assert all(len(llms) == 1 for llms in boards.values())
    assert boards["e2e_latency"][0]["newest_run"]["measurement"]["inputs"] == 8


@pytest.mark.usefixtures("lenient_validity")
def test_a_trace_is_replayed_and_ranked_by_its_speed_but_for_rps(conn, settings, redis, mock_servers, client):
    planned = measurement(
        endpoint=Endpoint(mock_servers.start(ttft=0.01, itl=0.001), "m"),
        load=Load(speed=50, requests=40),
        workload=Workload(trace=str(FOLDER / "mooncake.jsonl"), trace_window=(1, 8)),
    )

    fill_slot(settings, redis, planned, 4_102_473_600, "job")

    trace = trace_of(planned.workload)
    rows = query(conn, "SELECT intended_ns, prompt_tokens, output_tokens FROM requests ORDER BY number")
    assert [moment for moment, *_ in rows] == pytest.approx((trace.moments_ns[:40] / 50).tolist(), abs=1)
    assert [prompt for _, prompt, _ in rows] == trace.input_tokens[:40].tolist()
    assert [output for *_, output in rows] == trace.output_tokens[:40].tolist()
    answer = client.get("/api/v1/benchmarks/leaderboard?source=measurement&scenario=chat@x50")
    ranked = {board["metric"] for board in answer.json["metrics"] if board["llms"]}
    assert "ttft" in ranked
    assert "rps" not in ranked
