"""A search for the capacity as the run's page draws it: what its levels attained, by load."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from llm_measure.capacity import is_known
from llm_measure.metrics import METRICS
from llm_measure.report.find import capacity_text
from llm_measure.report.numbers import shown
from webapp.capacity import bracket, greatest_met, is_throughput, requests_per_second
from webapp.page.marks import Scale
from webapp.page.text import figure

HEIGHT = 160  # of a picture, in pixels
# Loads that differ by more than this factor are drawn on a logarithmic scale.
LINEAR_UP_TO = 4.0
ROOM = 1.06  # around the least and the greatest load, and above the greatest value


@dataclass(frozen=True)
class Loads:
    """The horizontal scale."""

    scale: Scale
    is_logarithmic: bool

    @classmethod
    def over(cls, loads: Sequence[float]) -> "Loads":
        """Return a scale that holds the loads, which are positive."""
        low, high = min(loads) / ROOM, max(loads) * ROOM
        if high / low > LINEAR_UP_TO:
            return cls(Scale(math.log(low), math.log(high)), True)
        return cls(Scale(low, high), False)

    def at(self, load: float) -> float:
        """Return the load's position, from 0 to 1."""
        return self.scale.at(math.log(load) if self.is_logarithmic else load)

    def ticks(self) -> list[float]:
        """Return a few round loads."""
        if not self.is_logarithmic:
            return self.scale.ticks()
        low, high = (end / math.log(10) for end in (self.scale.low, self.scale.high))
        powers = range(math.floor(low), math.ceil(high) + 1)
        steps = (1, 2, 5) if self.scale.high - self.scale.low < math.log(200) else (1,)
        return [tick for power in powers for step in steps if 0 <= self.at(tick := step * 10.0**power) <= 1]


def drawn(find: Mapping[str, Any]) -> dict[str, Any]:
    """Return the search for the template: its result in words, and a picture for each objective."""
    path, slo = find["path"], find["slo"].items()
    loads = Loads.over([step["load"] for step in path]) if path else None
    return {
        "result": _result(find),
        "unit": find["unit"],
        "objectives": [_objective(name, bound) for name, bound in slo],
        "path": path,
        "pictures": [_picture(find, loads, name, bound) for name, bound in slo] if loads else [],
    }


def _result(find: Mapping[str, Any]) -> str:
    if not is_known(*(find[name] for name in ("decided", "capacity", "low", "high"))):
        return f"Undecided: the capacity is {bracket(find)}."
    if find["capacity"] is None:
        return "Even the least load misses the objectives."
    found = capacity_text(find)
    if is_throughput(find) and (met := greatest_met(find)):
        at = f"at {shown(met['load'])}, the greatest load that certainly meets the objectives"
        found += f"; {figure(requests_per_second(find))} requests/s {at}"
    confidence = f"each verdict has a confidence of {find['confidence']:g}"
    return f"{found}. The bracket is {bracket(find)}, and {confidence}."


def _objective(name: str, bound: float) -> dict[str, Any]:
    metric, _, quantile = name.partition(":")
    unit = METRICS[metric].unit.symbol if metric in METRICS else ""
    title = f"{METRICS[metric].title if metric in METRICS else metric} {quantile}".rstrip()
    return {"name": name, "title": title, "bound": bound, "unit": "" if unit == "ratio" else unit}


def _picture(find: Mapping[str, Any], loads: Loads, name: str, bound: float) -> dict[str, Any]:
    """Return the positions of one objective's values: across from 0 to 1, down in pixels."""
    levels = [(step, step["attained"].get(name)) for step in find["path"]]
    known = [(step, each) for step, each in levels if each]
    ends = [each[end] for _, each in known for end in ("value", "high") if each[end] is not None]
    # The bound is neither at the top, where unknown values are, nor at the bottom, after an overload.
    values = Scale(0.0, min(max([1.5 * bound, *ends]) * ROOM, 3 * bound))

    def down(value: float | None) -> float:
        """Return the place of a value, an unknown one at the top."""
        return round(HEIGHT * (1 - min(values.at(value), 1.0)), 1) if value is not None else 0.0

    points = [
        {
            "x": loads.at(step["load"]),
            "y": down(each["value"]),
            "low": HEIGHT if each["low"] is None else down(each["low"]),
            "high": down(each["high"]),
            "verdict": each["verdict"],
            "text": f"{step['load']:.3g}: {figure(each['value'])}, {each['verdict']}",
        }
        for step, each in known
    ]
    return {
        **_objective(name, bound),
        "at_bound": down(bound),
        "points": points,
        "legs": list(pairwise(points)),
        "bracket": _between(find, loads),
        "x_ticks": [(loads.at(tick), f"{tick:g}") for tick in loads.ticks()],
        "y_ticks": [(down(tick), f"{tick:g}") for tick in values.ticks() if tick],
    }


def _between(find: Mapping[str, Any], loads: Loads) -> tuple[float, float] | None:
    """Return where the bracket begins, and its width; None without one."""
    if find["low"] is None and find["high"] is None:
        return None
    low = 0.0 if find["low"] is None else loads.at(find["low"])
    high = 1.0 if find["high"] is None else loads.at(find["high"])
    return low, high - low
