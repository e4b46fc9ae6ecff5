"""A drawing as plain data."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from llm_measure.capacity import Verdict


@dataclass(frozen=True)
class Line:
    """A line through points in their order, each of which has a label; `knee` is the index of one."""

    name: str
    x: list[float]
    y: list[float]
    labels: list[str]
    knee: int | None = None


@dataclass(frozen=True)
class Panel:
    """Axes with lines; `bound` is a horizontal line, the objective, `missing` the reason for no points."""

    title: str
    x_label: str
    y_label: str
    lines: list[Line] = field(default_factory=list)
    bound: float | None = None
    missing: str = "no value"


@dataclass(frozen=True)
class Points:
    """Levels of one verdict, with the confidence bounds of what they attained.

    None is what is not known: a value above all others, or a bound beyond the axes.
    """

    verdict: Verdict
    x: list[float]
    y: list[float | None]
    low: list[float | None]
    high: list[float | None]


@dataclass(frozen=True, kw_only=True)
class LoadPanel(Panel):
    """Axes with points by load, on a logarithmic scale, and the capacity in its bracket.

    An end of the bracket that is None, not known, is the edge.
    """

    bound: float
    points: list[Points]
    top: float  # the greatest value of the axis
    low: float | None
    high: float | None
    capacity: float | None  # None: unknown, or there is none


@dataclass(frozen=True)
class Drawing:
    """All panels of a report, and the table of what they show."""

    title: str
    panels: Sequence[Panel]
    columns: list[str]
    rows: list[list[str]]
    notes: list[str] = field(default_factory=list)  # such as warnings
