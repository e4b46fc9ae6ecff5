"""llm-measure run --find, in real time against the mock server."""

import json
import signal

import pytest

from llm_measure.mock_server.behaviour import Behaviour
from llm_measure.mock_server.process import running_mock_server
from tests.llm_measure.cli.command import invoke
from tests.llm_measure.interpreter import python

# The time to first token is 4 ms times the streams in flight, so 5 streams meet 22 ms.
SLOWER = Behaviour(ttft=0.004, itl=0.0, output_tokens=1, slowdown_per_stream=1.0)
ASKED = ("--model", "m", "--output-tokens", "1", "--no-probe")


@pytest.fixture(scope="module")
def url():
    with running_mock_server(SLOWER) as url:
        yield url


@pytest.mark.moments
def test_the_capacity_and_its_path_are_in_the_report(url, tmp_path):
    slo = "ttft:p80=0.022,error_rate=0.2"
    asked = ("--find", "concurrency", "--slo", slo, "--budget", "1500", "--format", "json")
    picture = tmp_path / "path.html"

    result = invoke("run", "--base-url", url, *ASKED, *asked, "--plot", str(picture))

    assert result.exit_code == 0
    report = json.loads(result.stdout)
    find = report["find"]
    assert find["slo"] == {"ttft:p80": 0.022, "error_rate": 0.2}
    assert 2 <= find["capacity"] <= 8
    assert find["requests"] <= 1500
    assert find["requests"] == sum(level["requests"] + level["warmup"] for level in report["levels"])
    assert [step["load"] for step in find["path"]][:2] == [1, 2]
    assert find["path"][0]["attained"].keys() == find["slo"].keys()
    assert "<h1>Capacity of m by concurrency: " in picture.read_text()
    assert "concurrency 1: " in result.stderr


def test_ctrl_c_reports_the_path_so_far(url):
    asked = ("--find", "rate", "--slo", "ttft:p95=5", "--format", "json")
    with python("-m", "llm_measure", "run", "--base-url", url, *ASKED, *asked) as process:
        process.stderr.readline()  # of the first level
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)

    find = json.loads(out)["find"]
    assert find["path"]
    assert not find["decided"]
    assert find["reason"] == "interrupted before the search had ended"
    assert "Traceback" not in err
    assert process.returncode == 0


def test_an_endpoint_that_does_not_answer_is_asked_once_more_and_not_searched_further():
    asked = ("--find", "rate", "--slo", "ttft:p95=5", "--give-up-after", "1")

    result = invoke("run", "--base-url", "http://127.0.0.1:1/v1", *ASKED, *asked, "--format", "json")

    report = json.loads(result.stdout)
    assert result.exit_code == 1
    assert [list(level["errors"]) for level in report["levels"]] == [["connect"], ["connect"]]
    assert report["find"]["reason"].startswith("the endpoint does not answer: all ")
    assert "failed with connect: " in result.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--find", "rate"), "--find: needs --slo"),
        (
            ("--slo", "itl:p99=1"),
            "slo=itl:p99: unknown objective without --find; expected a metric such as e2e_latency",
        ),
        (("--slo", "error_rate=0.1"), "slo=error_rate: unknown objective without --find"),
        (("--find", "rate", "--slo", "ttft=0.5"), "slo=ttft: expected ttft with a quantile"),
        (("--find", "rate", "--slo", "ttft:p95=1", "--rate", "3"), "--find and --rate: expected one of them"),
        (("--find", "rate", "--slo", "ttft:p95=1", "--concurrency", "3"), "--find and --concurrency"),
        (("--find", "rate", "--slo", "ttft:p95=1", "--sweep"), "--find and --sweep"),
        (("--find", "rate", "--slo", "ttft:p95=1", "--requests", "9"), "--find and --requests"),
        (("--find", "concurrency", "--slo", "ttft:p95=1", "--arrival", "constant"), "needs --find rate"),
        (("--find", "rate", "--slo", "ttft:p95=1", "--confidence", "2"), "confidence=2.0"),
        (("--find", "rate", "--slo", "ttft:p95=1", "--budget", "99"), "budget=99: must be at least 100"),
        (
            ("--find", "rate", "--slo", "ttft:p99=1", "--budget", "2000"),
            "budget=2000: too few requests for ttft",
        ),
        (("--budget", "9"), "--budget: needs --find"),
        (("--confidence", "0.9"), "--confidence: needs --find"),
        (("--find", "rate", "--slo", "ttft:p95=1", "--api", "embeddings"), "slo=ttft:p95: unknown objective"),
        (("--find", "rate", "--slo", "itl:p95=1"), "slo=itl:p95: a response of 1 token has no gaps"),
        (("--find", "rate", "--slo", "tpot:p95=1"), "slo=tpot:p95: a response of 1 token has no gaps"),
        (("--find", "rate", "--slo", "ttft:p95=0.5,ttft:p95=0.6"), "ttft:p95: duplicate objective"),
        (("--slo", "ttft=0.5, ttft=0.6"), "ttft: duplicate objective"),
        (("--slo", "ttft:p95=1"), "slo=ttft:p95: unknown objective"),
    ],
)
def test_options_that_contradict_a_search_are_refused(options, message):
    given = () if "embeddings" in options else ("--output-tokens", "1")
    result = invoke("run", "--base-url", "http://127.0.0.1:9/v1", "--model", "m", *given, *options)

    assert result.exit_code == 2
    assert message in result.stderr
