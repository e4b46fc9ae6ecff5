"""The path of a capacity search as an SVG picture."""

from collections.abc import Iterator, Sequence
from math import inf, log

from llm_measure.capacity import Attained, Capacity, Step
from llm_measure.report.numbers import shown
from llm_measure.text import printable

WIDTH, PANEL, LEFT, RIGHT, TOP, BOTTOM = 960, 240, 72, 16, 32, 40
COLOURS = {"met": "#2e7d32", "missed": "#c62828", "undecided": "#8a6d00"}
STYLE = (
    "text{font:12px sans-serif;fill:#555}.objective{stroke:#222;stroke-dasharray:6 4}"
    ".bracket{fill:#1565c0;fill-opacity:.12}.capacity{stroke:#1565c0;stroke-width:2}"
    ".bound{stroke-width:2}.axis{stroke:#bbb}"
)
APART = 48  # pixels from one label to the next
ROOM = 1.15  # around the values, as a factor


class _Axes:
    """Where loads and values are in a panel, both on logarithmic scales."""

    def __init__(self, loads: Sequence[float], values: Sequence[float], top: float):
        self._left, self._right = log(min(loads) / ROOM), log(max(loads) * ROOM)
        self._low, self._high = log(min(values) / ROOM), log(max(values) * ROOM)
        self._top = top

    def x(self, load: float) -> float:
        share = (log(load) - self._left) / (self._right - self._left)
        return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)

    def y(self, value: float) -> float:
        share = (self._high - log(value)) / (self._high - self._low)
        return round(self._top + TOP + share * (PANEL - TOP - BOTTOM), 1)


def path_svg(capacity: Capacity) -> str:
    """Return the levels by their load, a panel for each objective, with confidence bounds and bracket."""
    slo = capacity.search.slo
    panels = [
        part
        for number, (name, bound) in enumerate(slo.items())
        for part in _panel(capacity, name, bound, number * PANEL)
    ]
    height = PANEL * len(slo)
    title = f"{len(capacity.path)} levels, capacity {shown(capacity.capacity)}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 {WIDTH} {height}">'
        f"<title>{title}</title><style>{STYLE}</style>"
        f'<rect width="100%" height="100%" fill="#fff"/>{"".join(panels)}</svg>\n'
    )


def _panel(capacity: Capacity, name: str, bound: float, top: float) -> Iterator[str]:
    values = [value for step in capacity.path for value in _positive(step.attained[name])]
    axes = _Axes([step.load for step in capacity.path] or [1.0], [*values, bound], top)
    bottom = top + PANEL - BOTTOM
    yield _text(LEFT, top + TOP - 12, f"{printable(name)}: at most {shown(bound)}", "start")
    if capacity.low and capacity.high:
        x, end = axes.x(capacity.low), axes.x(capacity.high)
        width, height = round(end - x, 1), PANEL - TOP - BOTTOM
        yield f'<rect class="bracket" x="{x}" y="{top + TOP}" width="{width}" height="{height}"/>'
    if capacity.capacity:
        x = axes.x(capacity.capacity)
        yield _line("capacity", x, top + TOP, x, bottom) + _text(x, top + TOP - 12, shown(capacity.capacity))
    yield _line("axis", LEFT, bottom, WIDTH - RIGHT, bottom)
    yield _line("objective", LEFT, axes.y(bound), WIDTH - RIGHT, axes.y(bound))
    yield _text(LEFT - 8, axes.y(bound) + 4, shown(bound), "end")
    labelled = -inf
    for step in sorted(capacity.path, key=lambda step: step.load):
        yield from _step(axes, step, name, (top + TOP, bottom))
        if (x := axes.x(step.load)) >= labelled + APART:
            labelled = x
            yield _text(x, bottom + 18, shown(step.load))


def _step(axes: _Axes, step: Step, name: str, edges: tuple[float, float]) -> Iterator[str]:
    """Yield a level; a bound that is not known lies beyond the edges of the panel."""
    found, x = step.attained[name], axes.x(step.load)
    colour = COLOURS[found.verdict]
    high = axes.y(found.high) if found.high else edges[0]
    low = axes.y(found.low) if found.low else edges[1]
    yield f'<g stroke="{colour}">{_line("bound", x, low, x, high)}</g>'
    y = axes.y(found.value) if found.value else edges[0] if found.value is None else edges[1]
    label = f"{shown(step.load)}: {found.verdict}, {shown(found.value)}, {step.requests} requests"
    yield f'<circle class="mark" cx="{x}" cy="{y}" r="4" fill="{colour}"><title>{label}</title></circle>'


def _positive(found: Attained) -> list[float]:
    return [value for value in (found.value, found.low, found.high) if value]


def _line(name: str, x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="{name}" x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}"/>'


def _text(x: float, y: float, text: str, anchor: str = "middle") -> str:
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}">{text}</text>'
