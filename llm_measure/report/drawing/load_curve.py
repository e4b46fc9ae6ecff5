"""The drawing of several levels: latencies against throughput, and per user against in total."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from llm_measure.metrics import METRICS
from llm_measure.report.drawing.record import Drawing, Line, Panel
from llm_measure.report.errors import error_lines, failed
from llm_measure.report.loads import kind_of
from llm_measure.report.numbers import shown
from llm_measure.stats.knee import knee
from llm_measure.text import printable

LATENCIES = ("ttft", "itl", "e2e_latency")
STATISTICS = ("p50", "p95")
THROUGHPUTS = ("output_throughput", "inputs_throughput")
PER_USER = "tps"


def drawing(found: Mapping[str, Any]) -> Drawing:
    """Return the load curve of a report; its levels in ascending order."""
    levels = sorted(found["levels"], key=_load)
    metrics = levels[0]["metrics"]
    x = next(name for name in THROUGHPUTS if name in metrics)
    latencies = [name for name in LATENCIES if name in metrics]
    panels = [_latency(levels, x, name, found["workload"]["slo"].get(name)) for name in latencies]
    if PER_USER in metrics:
        panels.append(_per_user(levels, x))
    if all(sum(level["errors"].values()) == level["requests"] for level in levels):
        panels = [replace(panel, missing="no successful request") for panel in panels]
    load = kind_of(levels[0])
    figures = [(x, "mean"), *((name, each) for name in latencies for each in STATISTICS)]
    figures += [(PER_USER, "mean")] if PER_USER in metrics else []
    return Drawing(
        title=f"Load curve of {printable(found['endpoint']['model'])} by {load}",
        panels=panels,
        columns=[
            load,
            *(f"{name} {each} [{METRICS[name].unit.symbol}]" for name, each in figures),
            "requests",
            "failed",
            "valid",
        ],
        rows=[_row(level, figures) for level in levels],
        notes=[f"{_load(level):g}: {note}" for level in levels for note in _notes(level)],
    )


def _load(level: Mapping[str, Any]) -> float:
    return level[kind_of(level)]


def _latency(levels: Sequence[Mapping[str, Any]], x: str, metric: str, bound: float | None) -> Panel:
    return Panel(
        f"{METRICS[metric].title} against throughput",
        _axis(x),
        _axis(metric),
        [_line(levels, x, metric, statistic) for statistic in STATISTICS],
        bound,
    )


def _per_user(levels: Sequence[Mapping[str, Any]], x: str) -> Panel:
    line = _line(levels, x, PER_USER, "mean")
    return Panel("Per user and in total", _axis(x), _axis(PER_USER, " of a user"), [line])


def _axis(metric: str, of: str = "") -> str:
    return f"{METRICS[metric].title}{of} [{METRICS[metric].unit.symbol}]"


def _line(levels: Sequence[Mapping[str, Any]], x: str, y: str, statistic: str) -> Line:
    known = [
        level
        for level in levels
        if level["metrics"][x]["mean"] is not None and level["metrics"][y][statistic] is not None
    ]
    xs = [level["metrics"][x]["mean"] for level in known]
    ys = [level["metrics"][y][statistic] for level in known]
    latencies = [1 / value if value else 0.0 for value in ys] if y == PER_USER else ys
    return Line(statistic, xs, ys, [f"{_load(level):g}" for level in known], knee(xs, latencies))


def _row(level: Mapping[str, Any], figures: Sequence[tuple[str, str]]) -> list[str]:
    return [
        f"{_load(level):g}",
        *(shown(level["metrics"][name][statistic]) for name, statistic in figures),
        shown(level["requests"]),
        shown(failed(level)),
        "yes" if level["valid"] else "no",
    ]


def _notes(level: Mapping[str, Any]) -> list[str]:
    invalid = [f"not valid: {level['invalid_reason']}"] if level["invalid_reason"] else []
    return [*invalid, *error_lines(level), *level["warnings"]]
