"""First turns against later ones, in each report."""

import csv
import io

import pytest
from rich.console import Console

from llm_measure.report.csv import as_csv
from llm_measure.report.document import level as described
from llm_measure.report.tables import print_tables
from llm_measure.workloads import Workload
from tests.measured import answered, failed, level

WORKLOAD = Workload(turns="1..3")


@pytest.fixture
def found():
    """A level of three conversations, one of the warm-up, whose later turns take longer."""
    records = []
    for conversation, turns in enumerate((2, 3, 1)):
        for turn in range(1, turns + 1):
            record = answered(len(records), ttft=0.1 * turn, warmup=conversation == 0)
            record.conversation, record.turn = conversation, turn
            records.append(record)
    lost = failed(len(records))
    lost.conversation, lost.turn = 2, 2
    return described(level([*records, lost]), WORKLOAD)


def test_first_turns_are_apart_from_later_ones_without_those_of_the_warm_up(found):
    first, later = (found["by_turn"][name] for name in ("first", "later"))

    assert found["conversations"] == 2
    assert (first["ttft"]["n"], first["ttft"]["mean"]) == (2, pytest.approx(0.1))
    assert (later["ttft"]["n"], later["ttft"]["mean"]) == (2, pytest.approx(0.25))
    assert (first["error_rate"]["mean"], later["error_rate"]["mean"]) == (0, pytest.approx(1 / 3))
    assert list(first) == list(later)
    assert list(first["ttft"]) == ["unit", "n", "mean", "p50", "p95", "p99"]


def test_single_prompts_have_no_turns():
    document = described(level([answered(0)]), Workload())
    assert not {"by_turn", "conversations"} & document.keys()


def test_the_table_compares_them_and_says_what_the_requests_are(found):
    text = io.StringIO()
    print_tables([found], Console(file=text, width=80))
    lines = text.getvalue().splitlines()

    assert any(line.startswith("5 requests are the turns of 2 conversations;") for line in lines)
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines if "│ ttft " in line]
    assert [row[2:5] for row in rows if "first" in row or "later" in row] == [
        ["first", "2", "0.1"],
        ["later", "2", "0.25"],
    ]


def test_csv_has_a_line_for_each_of_them(found):
    rows = list(csv.DictReader(io.StringIO(as_csv([found]))))

    ttft = {row["turns"]: row for row in rows if row["metric"] == "ttft"}
    assert [(name, float(row["mean"])) for name, row in ttft.items()] == [
        ("all", pytest.approx(0.175)),
        ("first", pytest.approx(0.1)),
        ("later", pytest.approx(0.25)),
    ]
    assert ttft["first"]["stddev"] == ""
