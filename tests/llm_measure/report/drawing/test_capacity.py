"""Drawings of capacity searches on simulated queues."""

from dataclasses import replace

import pytest
from matplotlib.figure import Figure

from llm_measure.capacity import Search
from llm_measure.find.search import find_capacity
from llm_measure.report.drawing import figures, html, loads
from llm_measure.report.drawing.kinds import drawing
from llm_measure.report.drawing.record import Points
from tests.llm_measure.find.queues import Outage, Queue, in_conversations
from tests.llm_measure.report.drawing.test_load_curve import Parts, document, level, text_of

SEARCH = Search("rate", {"ttft:p90": 0.5, "error_rate": 0.02}, budget=6000)


def searched(endpoint) -> dict:
    """Return the report of a search."""
    return document(level(1)) | {"find": find_capacity(SEARCH, endpoint).to_dict()}


@pytest.fixture(scope="module")
def report():
    return searched(Queue(1, 4, 0.1))


def test_a_search_has_a_panel_per_objective_with_each_level_under_its_verdict(report):
    find, drawn = report["find"], drawing(report)

    assert [panel.title for panel in drawn.panels] == [
        "Time to first token p90: at most 0.5", "Error rate: at most 0.02",
    ]  # fmt: skip
    for panel, name in zip(drawn.panels, SEARCH.slo, strict=True):
        assert {(load, points.verdict) for points in panel.points for load in points.x} == {
            (step["load"], step["attained"][name]["verdict"]) for step in find["path"]
        }
        assert (panel.low, panel.high, panel.capacity) == (find["low"], find["high"], find["capacity"])
        assert panel.bound < panel.top <= 3 * panel.bound


def test_its_table_has_the_path_and_its_notes_the_result(report):
    find, drawn = report["find"], drawing(report)

    assert drawn.title == f"Capacity of m by rate: {find['capacity']:.4g} requests/s"
    assert drawn.columns == ["requests/s", "requests", "verdict", "ttft:p90 <= 0.5", "error_rate <= 0.02"]
    assert [row[2] for row in drawn.rows] == [step["verdict"] for step in find["path"]]
    assert drawn.notes[0].startswith("Capacity: ")
    assert len(drawn.notes) == 1 + sum(step["reason"] is not None for step in find["path"])


def test_loads_that_count_conversations_are_named_so():
    find = find_capacity(Search("rate", {"ttft:p95": 0.1}, budget=2000), in_conversations).to_dict()

    drawn = drawing(document(level(1)) | {"find": find})

    assert (drawn.columns[0], drawn.panels[0].x_label) == ("conversations/s", "Rate [conversations/s]")
    assert drawn.title.endswith(" conversations/s")


@pytest.mark.parametrize(("first", "problem"), [(4, "stopped answering"), (0, "does not answer")])
def test_a_search_that_an_outage_has_ended_has_no_capacity_and_gives_the_reason(first, problem):
    drawn = drawing(searched(Outage(Queue(1, 4, 0.1), first)))

    assert drawn.title == "Capacity of m by rate: unknown"
    assert f"unknown; the endpoint {problem}: all " in drawn.notes[0]
    assert "capacity" not in text_of(figures.svg(drawn.panels[0]))


def test_verdicts_differ_in_shape_and_what_is_unknown_reaches_the_edge(report):
    unknown = [
        Points("met", [2.0], [0.2], [0.1], [None]),
        Points("undecided", [4.0], [0.4], [None], [0.6]),
        Points("missed", [8.0], [None], [9.0], [None]),
    ]
    panel = replace(drawing(report).panels[0], points=unknown, top=1.0, low=None, high=8.0, capacity=3.0)
    axes = Figure().subplots()

    loads.draw(axes, panel)

    marks = {line.get_label(): line for line in axes.lines}
    assert [marks[name].get_marker() for name in ("met", "undecided", "missed")] == ["o", "s", "X"]
    bars = [bar.get_segments()[0][:, 1].tolist() for bar in axes.collections]
    assert bars == [[0.1, 1.0], [0.0, 0.6], [1.0, 1.0]]
    assert marks["missed"].get_ydata()[0] == 1.0
    (band,) = axes.patches
    assert (band.get_x(), band.get_x() + band.get_width()) == pytest.approx((axes.get_xlim()[0], 8.0))
    assert axes.get_xscale() == "log"
    assert set(marks["capacity 3"].get_xdata()) == {3.0}


def test_the_page_has_a_picture_per_objective_and_the_path(report):
    page = html.page(drawing(report), report)
    parts = Parts(page)

    assert (parts.tags.count("svg"), parts.loads) == (2, [])
    assert parts.tags.count("tr") == 1 + len(report["find"]["path"])
