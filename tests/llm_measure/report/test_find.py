import csv
import io

import pytest
from rich.console import Console

from llm_measure.capacity import Capacity, Search
from llm_measure.find.search import find_capacity
from llm_measure.report.find import capacity_line, path_csv, print_search, step_line
from tests.llm_measure.find.queues import Queue, in_conversations


@pytest.fixture(scope="module")
def capacity():
    return find_capacity(Search("rate", {"ttft:p90": 0.5}, budget=3000), Queue(1, 4, 0.1))


def test_the_table_has_the_capacity_and_each_level(capacity):
    text = io.StringIO()

    print_search(capacity.to_dict(), Console(file=text, width=200))

    first, *lines = text.getvalue().splitlines()
    assert first.startswith(f"Capacity: {capacity.capacity:.4g} requests/s (met at {capacity.low:.4g}")
    assert "ttft:p90 <= 0.5" in lines[1]
    assert sum("met" in line or "missed" in line or "undecided" in line for line in lines) >= len(
        capacity.path
    )


@pytest.mark.parametrize(
    ("low", "high", "line"),
    [
        (12, None, "at least 12 requests/s (met at 12, missed at -, not decided within 10 %; 64 requests)"),
        (None, 12, "unknown (met at -, missed at 12, not decided within 10 %; 64 requests)"),
        (None, None, "unknown (met at -, missed at -, not decided within 10 %; 64 requests)"),
    ],
)
def test_without_a_bracket_the_line_has_only_what_is_known(low, high, line):
    known = Capacity(Search("rate", {"ttft:p90": 0.5}), None, low, high, False, 64)

    assert capacity_line(known.to_dict()) == f"Capacity: {line}"


@pytest.mark.parametrize(
    ("kind", "unit", "load"),
    [
        ("rate", "conversations/s", "rate {:.4g} conversations/s: "),
        ("concurrency", "concurrent conversations", "concurrency {:g}: "),
    ],
)
def test_loads_that_count_conversations_are_named_so(kind, unit, load):
    capacity = find_capacity(Search(kind, {"ttft:p95": 0.1}, budget=2000), in_conversations)
    find, text = capacity.to_dict(), io.StringIO()

    print_search(find, Console(file=text, width=200))

    first, _, columns, *_ = text.getvalue().splitlines()
    assert find["unit"] == unit
    assert f" {unit} (met at " in first
    assert unit in columns
    assert step_line(find, find["path"][0]).startswith(load.format(capacity.path[0].load))


def test_the_csv_has_a_line_for_each_level_and_objective(capacity):
    rows = list(csv.DictReader(io.StringIO(path_csv(capacity.to_dict()))))

    assert [float(row["load"]) for row in rows] == [step.load for step in capacity.path]
    assert {row["objective"] for row in rows} == {"ttft:p90"}
    assert [row["verdict"] for row in rows] == [step.attained["ttft:p90"].verdict for step in capacity.path]
