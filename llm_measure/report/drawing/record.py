"""A drawing as plain data."""

from dataclasses import dataclass, field


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
    """Axes with lines; `bound` is a horizontal line, such as an objective."""

    title: str
    x_label: str
    y_label: str
    lines: list[Line]
    bound: float | None = None
    bound_name: str = "SLO"


@dataclass(frozen=True)
class Drawing:
    """All panels of a report, and the table of what they show."""

    title: str
    panels: list[Panel]
    columns: list[str]
    rows: list[list[str]]
    notes: list[str] = field(default_factory=list)  # such as warnings
