"""Drawings of levels, whose values are those of the mock server's closed form."""

import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from matplotlib.figure import Figure

from llm_measure.metrics import METRICS
from llm_measure.report.drawing import figures, html, palette
from llm_measure.report.drawing.kinds import drawing

HOSTILE = "m $x$ <script>alert(1)</script> \x1b[31m 模型"


def level(concurrency: float, kind: str = "concurrency", names=("ttft", "itl", "e2e_latency"), **changes):
    """A level of a server that slows down with each stream, as in the JSON document."""
    factor = 1 + 0.2 * (concurrency - 1)
    figures = {name: {"p50": 0.02 * factor, "p95": 0.03 * factor, "mean": None} for name in names}
    figures["tps"] = {"mean": 50 / factor}
    figures["output_throughput"] = {"mean": 50 * concurrency / factor}
    return {
        kind: concurrency, "metrics": figures, "requests": 32, "errors": {}, "error_details": {},
        "valid": True, "invalid_reason": None, "warnings": [], "clock": "kernel",
        "started_at": "2026-11-26T12:00:00+00:00",
        "http_version": "1.1", **changes,
    }  # fmt: skip


def document(*levels, slo=None, model="m"):
    endpoint = {"base_url": "http://localhost/v1", "model": model, "api": "chat"}
    return {"endpoint": endpoint, "workload": {"input_tokens": 128, "slo": slo or {}}, "levels": list(levels)}


SWEPT = document(*map(level, (1, 2, 4, 8, 16)), slo={"ttft": 0.05})


def text_of(picture: str) -> str:
    return " ".join(ElementTree.fromstring(picture).itertext())


def test_a_drawing_has_each_latency_against_throughput_and_per_user_against_in_total():
    drawn = drawing(SWEPT)

    assert [panel.title for panel in drawn.panels] == [
        "Time to first token against throughput", "Inter-token latency against throughput",
        "End-to-end latency against throughput", "Per user and in total",
    ]  # fmt: skip
    ttft, *_, per_user = drawn.panels
    assert ([line.name for line in ttft.lines], ttft.bound) == (["p50", "p95"], 0.05)
    assert drawn.panels[1].bound is None
    assert ttft.lines[0].labels == ["1", "2", "4", "8", "16"]
    assert {line.labels[line.knee] for panel in drawn.panels for line in panel.lines} == {"4"}
    for x, y, label in zip(per_user.lines[0].x, per_user.lines[0].y, (1, 2, 4, 8, 16), strict=True):
        assert x == pytest.approx(label * y)


def test_its_table_has_a_row_for_each_level_in_ascending_order():
    drawn = drawing(document(level(8), level(1, errors={"timeout": 2}, valid=False, invalid_reason="late")))

    assert drawn.columns[:2] == ["concurrency", "output_throughput mean [tokens/s]"]
    assert [row[0] for row in drawn.rows] == ["1", "8"]
    assert drawn.rows[0][-3:] == ["32", "2", "no"]
    assert drawn.notes == ["1: not valid: late", "1: 2 x timeout: "]


def test_rates_are_levels_too():
    drawn = drawing(document(*(level(rate, "rate") for rate in (0.5, 1, 2.5))))

    assert drawn.title == "Load curve of m by rate"
    assert drawn.panels[0].lines[0].labels == ["0.5", "1", "2.5"]


def test_encodings_have_their_latency_against_inputs_per_second():
    found = level(1, names=("e2e_latency",))
    found["metrics"] = {
        "e2e_latency": found["metrics"]["e2e_latency"], "inputs_throughput": {"mean": 10.0}
    }  # fmt: skip
    assert set(found["metrics"]) <= {metric.name for metric in METRICS.of("encoding")}

    (panel,) = drawing(document(found)).panels

    assert panel.x_label == "Inputs per second [inputs/s]"


def test_a_level_without_any_response_is_left_out_of_the_lines():
    nothing = level(4)
    nothing["metrics"] = {name: dict.fromkeys(("p50", "p95", "mean")) for name in nothing["metrics"]}

    drawn = drawing(document(level(1), nothing))
    assert drawn.panels[0].lines[0].labels == ["1"]
    assert drawn.rows[1][1] == "-"


def axes_of(panel):
    """The panel's axes as they are drawn, and their labels by text."""
    figure = Figure(figsize=figures.ALONE, layout="constrained")
    axes = figure.subplots()
    figures.draw(axes, panel)
    figures.leave_out_overlapping(figure)
    return axes, {label.get_text(): label.get_window_extent() for label in axes.texts}


def test_a_panel_without_points_says_why():
    failed = level(4, errors={"connect": 30, "cancelled": 2})
    failed["metrics"] = {name: dict.fromkeys(("p50", "p95", "mean")) for name in failed["metrics"]}
    single = level(1)  # token a response, which has no latency between tokens
    single["metrics"]["itl"] = failed["metrics"]["itl"]

    for panel in drawing(document(failed)).panels:
        assert list(axes_of(panel)[1]) == ["no successful request"]
    ttft, itl, *_ = drawing(document(single, failed)).panels
    assert list(axes_of(ttft)[1]) == ["1"]
    assert list(axes_of(itl)[1]) == ["no value"]


@pytest.mark.parametrize("slo", [None, {"ttft": 0.04}])
def test_points_and_labels_are_inside_the_axes_even_if_the_curve_is_flat(slo):
    levels = [level(rate, "rate") for rate in (5, 20, 40)]
    for each in levels:
        each["metrics"] |= {"ttft": {"p50": 0.01, "p95": 0.03 - each["rate"] / 1e5}, "tps": {"mean": 200}}
    for panel in (drawing(document(*levels, slo=slo)).panels[number] for number in (0, -1)):
        axes, labels = axes_of(panel)

        assert list(labels)[-3:] == ["5", "20", "40"]
        assert max(box.y1 for box in labels.values()) < axes.get_window_extent().y1
        assert axes.get_xlim()[0] == axes.get_ylim()[0] == 0


def test_a_label_that_would_cover_another_one_is_left_out():
    panel = drawing(document(*map(level, (1, 8, 256, 512, 1024)))).panels[-1]
    axes, labels = axes_of(panel)

    assert list(labels) == ["1", "8", "256"]
    assert len(axes.lines[0].get_xdata()) == 5


def test_marks_at_the_edges_are_whole():
    axes, _ = axes_of(drawing(SWEPT).panels[0])

    rings = [line for line in axes.lines if line.get_markersize() == 11]
    assert len(rings) == 2
    assert not any(line.get_clip_on() for line in axes.lines if line.get_marker() == "o")


def test_an_svg_is_the_same_for_the_same_report_and_an_xml_document_with_text(tmp_path):
    drawn = drawing({**SWEPT, "endpoint": {**SWEPT["endpoint"], "model": HOSTILE}})
    for name in ("one.svg", "other.svg"):
        figures.save(drawn, tmp_path / name)

    picture = (tmp_path / "one.svg").read_text(encoding="utf-8")
    assert picture == (tmp_path / "other.svg").read_text(encoding="utf-8")
    for word in ("$x$ <script>", "模型", "SLO 0.05", "p95", "Inter-token latency [s]"):
        assert word in text_of(picture)


def test_an_slo_above_all_values_is_named_and_does_not_compress_the_lines():
    panel = drawing(document(level(1), level(2), slo={"ttft": 9})).panels[0]

    assert "(SLO 9 is above all values)" in text_of(figures.svg(panel))


def test_a_png_is_one(tmp_path):
    figures.save(drawing(SWEPT), tmp_path / "curve.PNG")

    assert (tmp_path / "curve.PNG").read_bytes().startswith(b"\x89PNG\r\n")


class Parts(HTMLParser):
    """The tags of a page, and every attribute that could load something."""

    def __init__(self, page: str):
        super().__init__()
        self.tags, self.loads = [], []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.loads += [
            value for name, value in attributes if name in ("src", "href", "xlink:href") and value[:1] != "#"
        ]


def test_the_page_is_one_file_with_inline_pictures_table_and_facts_light_and_dark():
    found = {**SWEPT, "endpoint": {**SWEPT["endpoint"], "model": HOSTILE}}
    page = html.page(drawing(found), found)
    parts = Parts(page)

    assert (parts.tags.count("svg"), parts.tags.count("table"), parts.loads) == (4, 1, [])
    assert not {"script", "link", "img", "iframe"} & set(parts.tags)
    assert not re.search(r"url\((?!#)|@import", page)
    assert "&lt;script&gt;alert(1)" in page
    assert "\x1b" not in page
    assert "prefers-color-scheme:dark" in page
    assert not set(palette.colors()) & set(re.findall(r"#[0-9a-f]{6}", page.partition("</style>")[2]))
    assert "<dt>slo</dt><dd>{&quot;ttft&quot;: 0.05}</dd>" in page
