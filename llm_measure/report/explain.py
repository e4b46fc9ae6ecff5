"""What each metric means here, and what other tools mean by that name."""

from collections.abc import Sequence
from textwrap import fill

from llm_measure.metrics import METRICS, Metric

WIDTH = 100


def explanation(names: Sequence[str] = ()) -> str:
    """Return a paragraph for each named metric, or for every metric; ValueError for an unknown name."""
    for name in names:
        if name not in METRICS:
            raise ValueError(f"metric {name!r}: unknown; expected one of {', '.join(METRICS.names)}")
    return "\n\n".join(map(_paragraph, [METRICS[name] for name in names] or METRICS))


def _paragraph(metric: Metric) -> str:
    lines = [f"{metric.name} [{metric.unit.symbol}]: {metric.title}. {_sentence(metric.formula)}"]
    if metric.note:
        lines.append(metric.note)
    lines += [f"{tool}: {text}" for tool, text in metric.elsewhere.items()]
    first, *others = (
        fill(line, WIDTH, initial_indent="  " if number else "", subsequent_indent="    ")
        for number, line in enumerate(lines)
    )
    return "\n".join((first, *others))


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."
