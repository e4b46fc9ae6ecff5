"""llm-measure run --plot."""

import json
import sys

import pytest

from llm_measure.mock_server.behaviour import Behaviour
from llm_measure.mock_server.process import running_mock_server
from tests.llm_measure.cli.command import invoke

NOWHERE = ["--base-url", "http://127.0.0.1:1/v1", "--model", "m", "--no-probe"]


@pytest.fixture(scope="module")
def url():
    with running_mock_server(Behaviour(ttft=0.002, itl=0.001, slowdown_per_stream=0.5)) as url:
        yield url


@pytest.mark.parametrize(("ending", "begin"), [("svg", "<?xml"), ("png", "\x89PNG"), ("html", "<!doctype")])
@pytest.mark.parametrize("loads", [["--sweep"], ["--rate", "50,100"]], ids=["sweep", "rates"])
def test_the_levels_are_drawn_next_to_the_report(lenient_validity, url, tmp_path, ending, begin, loads):
    path = tmp_path / f"curve.{ending}"
    asked = ["--output-tokens", "2", "--requests", "4", "--no-probe", "--format", "json"]
    done = invoke("run", "--base-url", url, "--model", "m", *asked, *loads, "--plot", str(path))

    assert done.exit_code == 0, done.stderr
    assert len(json.loads(done.stdout)["levels"]) >= 2
    assert path.read_bytes().startswith(begin.encode("latin-1"))


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("curve.pdf", "--plot curve.pdf: unknown format; expected a name that ends with .svg, .png, .html"),
        ("curve", "--plot curve: unknown format"),
        ("/nowhere/curve.svg", "--plot /nowhere/curve.svg: cannot be written: No such file or directory"),
    ],
)
def test_a_wrong_file_is_refused_before_the_measurement(path, problem):
    done = invoke("run", *NOWHERE, "--plot", path)

    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith(f"Error: {problem}")


@pytest.mark.parametrize("asked", [[], ["--find", "rate", "--slo", "ttft:p95=1"]], ids=["levels", "search"])
def test_without_matplotlib_the_extra_is_named_before_the_measurement(monkeypatch, tmp_path, asked):
    monkeypatch.setitem(sys.modules, "matplotlib", None)  # as if it were not installed
    done = invoke("run", *NOWHERE, *asked, "--plot", str(tmp_path / "curve.svg"))

    assert done.exit_code == 2
    assert done.stderr == "Error: --plot: needs Matplotlib; expected pip install '.[plot]' in a clone\n"
    assert list(tmp_path.iterdir()) == []


def test_the_plot_and_the_report_are_different_files(tmp_path):
    path = str(tmp_path / "curve.html")

    assert "expected different files" in invoke("run", *NOWHERE, "--plot", path, "--out", path).stderr


def test_a_file_that_became_unwritable_leaves_the_report(url, tmp_path, monkeypatch):
    def fail(found, path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("llm_measure.cli.plot.draw", fail)
    path = tmp_path / "curve.svg"
    done = invoke("run", "--base-url", url, "--model", "m", "--requests", "2", "--plot", str(path))

    assert (done.exit_code, "ttft" in done.stdout) == (2, True)
    assert f"--plot {path}: cannot be written: No space left on device" in done.stderr
