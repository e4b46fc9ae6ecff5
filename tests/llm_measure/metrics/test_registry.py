"""A metric is one record: registered here, it is in every report with no other edit."""

import csv
import io
import json

import pytest

from llm_measure import Workload
from llm_measure.metrics import METRICS, Metric, Objective, Unit
from llm_measure.metrics.derivations import per_request
from llm_measure.mock_server.behaviour import Behaviour
from llm_measure.mock_server.process import running_mock_server
from tests.llm_measure.cli.command import invoke


def chunks(record) -> float:
    return len(record.chunk_offsets_ns)


TOY = Metric(
    id=9001,
    name="chunks",
    title="Chunks",
    unit=Unit("chunks", "chunks", "chunks"),
    better="lower",
    formula="chunks with tokens of a response",
    derive=per_request(chunks),
    objective=Objective(chunks),
    note="A toy.",
    elsewhere={"vLLM": "has none."},
)


@pytest.fixture
def toy_metric():
    METRICS.register(TOY)
    yield
    METRICS.unregister(TOY.name)


@pytest.fixture(scope="module")
def url():
    with running_mock_server(Behaviour(ttft=0, itl=0)) as url:
        yield url


def reported(url: str, form: str) -> str:
    asked = ["--base-url", url, "--model", "m", "--requests", "3", "--output-tokens", "4"]
    done = invoke("run", *asked, "--slo", "chunks=3", "--format", form)
    assert done.exit_code == 0, done.stderr
    return done.stdout


def test_a_registered_metric_is_in_the_json(toy_metric, url):
    (level,) = json.loads(reported(url, "json"))["levels"]

    figures = level["metrics"]["chunks"]
    assert (figures["unit"], figures["n"], figures["mean"]) == ("chunks", 3, 4)
    assert level["metrics"]["slo_attainment"]["mean"] == 0


def test_a_registered_metric_is_in_the_csv(toy_metric, url):
    rows = {row["metric"]: row for row in csv.DictReader(io.StringIO(reported(url, "csv")))}

    assert (rows["chunks"]["unit"], rows["chunks"]["n"], rows["chunks"]["p50"]) == ("chunks", "3", "4.0")


def test_a_registered_metric_is_in_the_table(toy_metric, url):
    (line,) = [line for line in reported(url, "table").splitlines() if "│ chunks " in line]

    assert line.split()[1:6] == ["chunks", "│", "chunks", "│", "3"]


def test_a_registered_metric_is_explained(toy_metric):
    assert invoke("explain", "chunks").stdout == (
        "chunks [chunks]: Chunks. Chunks with tokens of a response.\n  A toy.\n  vLLM: has none.\n"
    )


def test_a_registered_metric_can_be_an_objective(toy_metric):
    assert "chunks" in METRICS.objectives("generation")
    assert Workload(slo={"chunks": 3}).slo == {"chunks": 3}


@pytest.mark.parametrize("other", [{"id": 9002, "name": "ttft"}, {"id": 1, "name": "toy"}])
def test_a_name_and_an_id_are_registered_once(other):
    with pytest.raises(ValueError, match=r"duplicate of ttft \(1\)"):
        METRICS.register(Metric(**{**vars(TOY), **other}))


def test_an_unknown_metric_is_a_key_error():
    with pytest.raises(KeyError):
        METRICS["speed"]
    assert "speed" not in METRICS
