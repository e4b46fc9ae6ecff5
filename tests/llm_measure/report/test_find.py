import csv
import io

import pytest
from rich.console import Console

from llm_measure.capacity import Search
from llm_measure.find.search import find_capacity
from llm_measure.report.find import path_csv, print_search
from tests.llm_measure.find.queues import Queue


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


def test_the_csv_has_a_line_for_each_level_and_objective(capacity):
    rows = list(csv.DictReader(io.StringIO(path_csv(capacity.to_dict()))))

    assert [float(row["load"]) for row in rows] == [step.load for step in capacity.path]
    assert {row["objective"] for row in rows} == {"ttft:p90"}
    assert [row["verdict"] for row in rows] == [step.attained["ttft:p90"].verdict for step in capacity.path]
