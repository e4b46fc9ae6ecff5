"""The Python API, as a script and a notebook use it."""

import asyncio
import json
import signal
import threading

import pytest

import llm_measure
from llm_measure import Capacity, Endpoint, Load, Result, Search, Workload, find_capacity, measure
from llm_measure.load.datasets import DatasetError
from llm_measure.metrics import METRICS
from llm_measure.mock_server.behaviour import Behaviour
from llm_measure.mock_server.process import running_mock_server
from llm_measure.report.document import document
from tests.llm_measure.cli.command import invoke
from tests.llm_measure.interpreter import python, run_python
from tests.llm_measure.scripted import scripted, whole
from tests.llm_measure.streams import STREAMS

LOAD = Load(concurrency=2, requests=6, warmup=2)


@pytest.fixture(scope="module")
def endpoint():
    with running_mock_server(Behaviour(ttft=0.02, itl=0.0002)) as url:
        yield Endpoint(url, "m")


@pytest.fixture(scope="module")
def result(endpoint) -> Result:
    return measure(endpoint, Workload(output_tokens=4, slo={"ttft": 5.0}), LOAD)


def test_figures_are_attributes(result):
    assert list(result.metrics) == [metric.name for metric in METRICS.of("generation")]
    ttft = result.metrics["ttft"]
    assert 0.02 <= ttft.min <= ttft.p50 <= ttft.p95 <= ttft.max < 5
    assert (ttft.n, ttft.unit) == (6, "s")
    assert result.metrics["slo_attainment"].mean == 1


def test_records_are_all_requests(result):
    assert [record.index for record in result.records] == list(range(8))
    assert [record.warmup for record in result.records] == [True] * 2 + [False] * 6
    assert {(record.error, record.output_tokens) for record in result.records} == {(None, 4)}


def test_a_result_says_whether_it_is_valid(result):
    assert (result.valid, result.invalid_reason) == (result.level.valid, result.level.invalid_reason)
    assert isinstance(result.valid, bool)


def test_the_dictionary_is_the_json_of_the_command(result, endpoint):
    asked = ["--base-url", endpoint.base_url, "--model", "m", "--output-tokens", "4", "--concurrency", "2"]
    done = invoke("run", *asked, "--requests", "6", "--slo", "ttft=5", "--format", "json", "--with-records")

    of_command, of_result = json.loads(done.stdout), result.to_dict(records=True)
    assert shape(of_result) == shape(of_command)
    assert of_result == json.loads(json.dumps(of_result))
    assert of_result == document(endpoint, result.workload, [result.level], records=True)
    assert isinstance(of_result["workload"]["seed"], int)
    assert "records" not in result.to_dict()["levels"][0]


def shape(value: object) -> object:
    """The names in a document, without what was measured, as the metrics are that are not ranked."""
    if isinstance(value, dict):
        return {name: None if name == "not_ranked" else shape(each) for name, each in value.items()}
    return [shape(each) for each in value[:1]] if isinstance(value, list) else None


def test_it_works_where_an_event_loop_is_running(endpoint):
    async def cell() -> Result:
        return measure(endpoint, Workload(output_tokens=2), LOAD)

    assert asyncio.run(cell()).metrics["ttft"].n == 6


@pytest.mark.parametrize("processes", [1, 2])
def test_a_script_measures_by_the_defaults(endpoint, tmp_path, processes):
    script = tmp_path / "script.py"
    script.write_text(f"""
from llm_measure import Endpoint, measure

if __name__ == "__main__":
    result = measure(Endpoint("{endpoint.base_url}", "m"), processes={processes})
    figures = result.metrics["ttft"]
    print(figures.n, figures.p95 > 0.02, result.workload.input_tokens, result.level.load.concurrency)
""")
    done = run_python(script)

    assert (done.stdout, done.stderr) == ("32 True 128 1\n", "")


def test_prompts_and_datasets_are_asked_as_declared(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"prompt": "what is this?"}')
    with scripted(whole(STREAMS["no usage"].body), keep=True) as server:
        result = measure(
            Endpoint(server.url, "m"), Workload(dataset=str(path)), Load(concurrency=1, requests=2)
        )
        path.unlink()

    assert all(b"what is this?" in request for request in server.requests)
    assert len(result.to_dict()["workload"]["file_sha256"]["dataset"]) == 64


def test_an_unreadable_dataset_is_a_value_error(endpoint):
    with pytest.raises(DatasetError, match=r"nowhere\.jsonl: cannot be read"):
        measure(endpoint, Workload(dataset="nowhere.jsonl"), LOAD)


@pytest.mark.parametrize("in_a_loop", [False, True])
def test_it_stops_when_asked_to(endpoint, in_a_loop):
    stop = threading.Event()

    async def cell() -> Result:
        return long()

    def long() -> Result:
        return measure(endpoint, load=Load(concurrency=1, duration_s=60), on_progress=progress, stop=stop)

    def progress(progress: object) -> None:
        if progress.ended >= 3:
            stop.set()

    result = asyncio.run(cell()) if in_a_loop else long()

    assert len(result.records) >= 3
    assert {record.error for record in result.records} <= {None, "cancelled"}


SLOW = """
import asyncio
from llm_measure import Endpoint, Load, measure

def long():
    measure(Endpoint("{url}", "m"), load=Load(concurrency=2, duration_s=60), processes={processes},
            on_progress=lambda progress: print(progress.sent, flush=True))

async def cell():
    long()

if __name__ == "__main__":
    {run}
"""


@pytest.mark.parametrize(("processes", "run"), [(1, "long()"), (2, "long()"), (1, "asyncio.run(cell())")])
def test_ctrl_c_raises_keyboard_interrupt_in_the_script(endpoint, tmp_path, processes, run):
    script = tmp_path / "script.py"
    script.write_text(SLOW.format(url=endpoint.base_url, processes=processes, run=run))
    with python(script) as process:
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=10)

    assert err.splitlines()[-1] == "KeyboardInterrupt"
    assert process.returncode == -signal.SIGINT


# No load is too much, so the budget ends it.
SEARCH = Search("concurrency", {"error_rate": 0.2}, budget=120)
ONE_TOKEN = Workload(output_tokens=1)


@pytest.fixture
def _few_requests(monkeypatch):
    """Levels of few requests, which are enough for objectives that all meet."""
    monkeypatch.setattr("llm_measure.find.search.LEAST_REQUESTS", 16)


@pytest.mark.moments  # a level that the client could not hold ends the climb
@pytest.mark.usefixtures("_few_requests")
@pytest.mark.parametrize("in_a_loop", [False, True])
def test_the_capacity_is_searched_for_with_other_prompts_in_each_level(endpoint, in_a_loop):
    seen: list[Capacity] = []

    async def cell() -> Capacity:
        return find()

    def find() -> Capacity:
        return find_capacity(endpoint, ONE_TOKEN, SEARCH, on_progress=seen.append)

    found = asyncio.run(cell()) if in_a_loop else find()

    loads = [step.load for step in found.path]
    assert loads[:3] == [1, 2, 4]
    assert (found.low, found.high) == (max(loads), None)
    numbers = [record.index for level in found.levels for record in level.records]
    assert numbers == list(range(found.requests))
    assert seen[-1] == found


@pytest.mark.usefixtures("_few_requests")
def test_a_search_that_is_stopped_has_what_is_known(endpoint):
    stop = threading.Event()

    found = find_capacity(endpoint, ONE_TOKEN, SEARCH, on_progress=lambda found: stop.set(), stop=stop)

    assert (len(found.path), found.decided) == (1, False)
    assert found.reason == "interrupted before the search had ended"


def test_an_objective_that_requests_of_its_kind_do_not_have_is_a_value_error(endpoint):
    with pytest.raises(ValueError, match="slo=ttft:p95: unknown objective; expected one of e2e_latency"):
        find_capacity(endpoint, Workload(inputs=1), Search("rate", {"ttft:p95": 0.5}))


def test_the_package_lists_its_names_and_no_others():
    assert all(hasattr(llm_measure, name) for name in llm_measure.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = llm_measure.nothing
