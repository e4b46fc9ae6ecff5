import json
from xml.etree import ElementTree

import numpy as np
import pytest
from click.testing import CliRunner

from llm_measure.cli import main
from tests.llm_measure.cli.command import invoke

HEADER = "time,value\n"
START = 1_750_000_000
SVG = "{http://www.w3.org/2000/svg}"


def lines(levels, failed=()):
    """A run an hour around each level, with 3 % spread; those in `failed` have no value."""
    values = np.array(levels) * np.random.default_rng(15).normal(1, 0.03, len(levels))
    cells = ["" if index in failed else f"{value:.6f}" for index, value in enumerate(values)]
    return [f"{START + 3600 * index},{cell}\n" for index, cell in enumerate(cells)]


@pytest.fixture
def written(tmp_path):
    """Write a series into a file; return its path."""

    def write(*rows, header=HEADER):
        path = tmp_path / "SERIES.csv"
        path.write_text(header + "".join(rows))
        return str(path)

    return write


SLOWER = lines([0.4] * 100 + [0.52] * 60)
STEADY = lines([0.4] * 100)


def test_a_change_is_found_with_its_levels_and_interval(written):
    done = invoke("detect", written(*SLOWER), "--format", "json")

    assert (done.exit_code, done.stderr) == (0, "")
    document = json.loads(done.stdout)
    (change,) = document["changes"]
    assert set(document) == {"changes"}
    assert set(change) == {"index", "detected_at_index", "before", "after", "change", "low", "high", "time"}
    assert change["index"] == pytest.approx(100, abs=1)
    assert change["index"] <= change["detected_at_index"] <= 105
    assert (change["before"], change["after"]) == (
        pytest.approx(0.4, rel=0.03),
        pytest.approx(0.52, rel=0.05),
    )
    assert change["low"] < change["change"] < change["high"]
    assert change["time"].startswith("2025-06-19T")
    assert change["time"].endswith("+00:00")


@pytest.mark.parametrize(("better", "worse"), [("lower", True), ("higher", False)])
def test_a_change_is_worse_by_the_better_direction(written, better, worse):
    file = written(*SLOWER)

    (change,) = json.loads(invoke("detect", file, "--better", better, "--format", "json").stdout)["changes"]
    table = invoke("detect", file, "--better", better).stdout

    assert change["worse"] is worse
    assert ("worse" in table, "better" in table) == (worse, not worse)


def test_the_table_has_a_line_per_change(written):
    head, _, row, summary = invoke("detect", written(*SLOWER)).stdout.splitlines()

    assert head.split()[:2] == ["time", "(UTC)"]
    assert row.startswith("2025-06-19 ")
    assert row.endswith(("after 3 runs", "after 4 runs"))
    assert summary == "1 change in 160 runs."


def test_a_steady_series_has_no_changes(written):
    file = written(*STEADY)

    assert invoke("detect", file).stdout == "No changes in 100 runs.\n"
    assert json.loads(invoke("detect", file, "--format", "json").stdout) == {"changes": []}


def test_a_series_without_runs_has_no_changes(written, tmp_path):
    done = invoke("detect", written(), "--plot", str(tmp_path / "empty.svg"))

    assert (done.exit_code, done.stdout) == (0, "No changes in 0 runs.\n")


def test_a_change_below_the_smallest_one_is_not_reported(written):
    assert invoke("detect", written(*SLOWER), "--min-change", "0.5").stdout == "No changes in 160 runs.\n"


@pytest.mark.parametrize("number", ["nan", "-1", "11", "x"])
def test_an_impossible_smallest_change_is_refused(written, number):
    done = invoke("detect", written(*STEADY), "--min-change", number)

    assert (done.exit_code, done.stdout) == (2, "")
    assert "--min-change" in done.stderr


def test_one_run_is_counted_in_the_singular(written):
    assert invoke("detect", written(*STEADY[:1])).stdout == "No changes in 1 run.\n"


def test_failed_runs_are_no_zeros_but_count_as_rows(written):
    failed = {*range(10, 20), 101}
    file = written(*lines([0.4] * 100 + [0.52] * 60, failed))

    (change,) = json.loads(invoke("detect", file, "--format", "json").stdout)["changes"]

    assert change["index"] == pytest.approx(100, abs=1)
    assert change["detected_at_index"] > change["index"]
    assert "in 149 runs, and 11 without a value." in invoke("detect", file).stdout


def test_times_may_be_iso_8601_and_other_columns_are_ignored(written):
    rows = [f"x,{0.4 + 0.001 * (day % 3)},2025-01-{day:02}T00:00:00Z\n" for day in range(1, 31)]

    done = invoke("detect", written(*rows, header="llm,value,time\n"))

    assert done.stdout == "No changes in 30 runs.\n"


def test_stdin_is_read(written):
    done = CliRunner().invoke(main, ["detect", "-"], input=HEADER + "".join(STEADY))
    assert done.stdout == "No changes in 100 runs.\n"

    wrong = CliRunner().invoke(main, ["detect", "-"], input=HEADER + "1,x\n")
    assert wrong.stderr == "Error: stdin line 2: value 'x': expected a number above 0\n"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "line 1: columns '': expected a header with time and value"),
        ("1750000000,0.4\n", "line 1: columns '1750000000,0.4': expected a header with time and value"),
        ("time,value\n1,0.4\n\n2,abc\n", "line 4: value 'abc': expected a number above 0"),
        ("time,value\n1,0\n", "line 2: value '0': expected a number above 0"),
        ("time,value\n1,inf\n", "line 2: value 'inf': expected a number above 0"),
        ("time,value\n1,0.4,5\n", "line 2: 3 fields: expected 2"),
        ("time,value\nnoon,0.4\n", "line 2: time 'noon': expected ISO 8601 or Unix seconds"),
        ("time,value\nnan,0.4\n", "line 2: time 'nan': expected ISO 8601 or Unix seconds"),
        ("time,value\n1e30,0.4\n", "line 2: time '1e30': expected ISO 8601 or Unix seconds"),
        ("time,value\n2,0.4\n2,0.5\n", "line 3: time '2': not after the one before; expected rising times"),
        ('time,value\n"1,0.4\n', "line 2: not CSV: unexpected end of data"),
        ("time,value\n1,\x1b[2J\n", "line 2: value '\\x1b[2J': expected a number above 0"),
    ],
)
def test_an_unusable_row_is_reported_in_one_line(written, text, problem):
    file = written(header=text)

    done = invoke("detect", file)

    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == f"Error: {file} {problem}\n"


def test_a_file_that_cannot_be_read_is_reported_in_one_line(tmp_path):
    (tmp_path / "bytes.csv").write_bytes(b"time,value\n1,\xff\n")

    for name, problem in (
        ("none.csv", "No such file or directory"),
        (".", "Is a directory"),
        ("bytes.csv", ""),
    ):
        done = invoke("detect", str(tmp_path / name))
        assert (done.exit_code, done.stdout) == (2, "")
        (line,) = done.stderr.splitlines()
        assert line.startswith(f"Error: {tmp_path / name}: cannot be read: ")
        assert problem in line


def test_the_plot_shows_runs_levels_and_changes(written, tmp_path):
    plot = tmp_path / "changes.svg"

    invoke("detect", written(*SLOWER), "--better", "lower", "--plot", str(plot))

    drawn = ElementTree.parse(plot).getroot()
    assert drawn.find(f"{SVG}title").text == "160 runs, 1 change of level"
    assert [path.get("d").count("M") for path in drawn.iter(f"{SVG}path")] == [160]
    classes = [line.get("class") for line in drawn.iter(f"{SVG}line")]
    assert [classes.count(name) for name in ("level", "change", "raised")] == [2, 1, 1]
    before, after = (line for line in drawn.iter(f"{SVG}line") if line.get("class") == "level")
    assert float(before.get("y1")) > float(after.get("y1"))
    assert before.get("x2") == after.get("x1")


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("chart.png", "unknown format; expected a name that ends with .svg"),
        ("no/chart.svg", "cannot be written: No such file or directory"),
    ],
)
def test_a_plot_that_cannot_be_drawn_is_reported(written, tmp_path, name, problem):
    done = invoke("detect", written(*STEADY), "--plot", str(tmp_path / name))

    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == f"Error: --plot {tmp_path / name}: {problem}\n"
