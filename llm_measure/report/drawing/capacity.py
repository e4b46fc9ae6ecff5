"""The drawing of a capacity search: what its levels attained of each objective, by load, and the bracket."""

from collections.abc import Mapping, Sequence
from typing import Any, get_args

from llm_measure.capacity import Verdict
from llm_measure.metrics import METRICS
from llm_measure.report.drawing.record import Drawing, LoadPanel, Points
from llm_measure.report.find import capacity_line, capacity_text, path_table, reasons
from llm_measure.text import printable

ROOM = 1.1  # above the greatest value
# A panel is between 1.5 and 3 times as high as its objective, so that an overload does not flatten the rest.
LEAST_TOP, MOST_TOP = 1.5, 3


def drawing(found: Mapping[str, Any]) -> Drawing:
    """Return the drawing of a report that has the part `find`."""
    find = found["find"]
    columns, rows = path_table(find)
    return Drawing(
        title=f"Capacity of {printable(found['endpoint']['model'])} by {find['kind']}: {capacity_text(find)}",
        panels=[_panel(find, name, bound) for name, bound in find["slo"].items()],
        columns=columns,
        rows=rows,
        notes=[capacity_line(find), *reasons(find)],
    )


def _panel(find: Mapping[str, Any], objective: str, bound: float) -> LoadPanel:
    name, _, quantile = objective.partition(":")
    metric, path = METRICS[name], find["path"]
    points = [_points(path, objective, verdict) for verdict in get_args(Verdict)]
    known = [value for each in points for value in (*each.y, *each.high) if value is not None]
    return LoadPanel(
        f"{f'{metric.title} {quantile}'.rstrip()}: at most {bound:g}",
        f"{find['kind'].title()} [{find['unit']}]",
        f"{metric.title} [{metric.unit.symbol}]",
        points=[each for each in points if each.x],
        bound=bound,
        top=min(max(LEAST_TOP * bound, *known, 0) * ROOM, MOST_TOP * bound),
        low=find["low"],
        high=find["high"],
        capacity=find["capacity"],
    )


def _points(path: Sequence[Mapping[str, Any]], objective: str, verdict: Verdict) -> Points:
    """Return the levels at which the objective has the verdict."""
    levels = [(step["load"], step["attained"][objective]) for step in path]
    those = [(load, found) for load, found in levels if found["verdict"] == verdict]
    value, low, high = ([found[name] for _, found in those] for name in ("value", "low", "high"))
    return Points(verdict, [load for load, _ in those], value, low, high)
