"""Several levels of a measurement in one table, a line each."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from llm_measure.report.errors import failed
from llm_measure.report.loads import kind_of
from llm_measure.report.numbers import shown

# Of each column: its head, the metric, and the figure.
OF_ANSWERS = (
    ("rps", "rps", "mean"),
    ("output\ntokens/s", "output_throughput", "mean"),
    ("ttft\np50", "ttft", "p50"),
    ("ttft\np99", "ttft", "p99"),
    ("tpot\np50", "tpot", "p50"),
    ("tpot\np99", "tpot", "p99"),
)
OF_ENCODINGS = (
    ("rps", "rps", "mean"),
    ("inputs/s", "inputs_throughput", "mean"),
    ("prompt\ntokens/s", "prompt_throughput", "mean"),
    ("e2e\np50", "e2e_latency", "p50"),
    ("e2e\np99", "e2e_latency", "p99"),
)


def comparison(levels: Sequence[Mapping[str, Any]]) -> Table:
    """Return a table with a line per level; `levels` are those of the JSON document, all of one pattern."""
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, collapse_padding=True)
    columns = OF_ENCODINGS if "inputs" in levels[0] else OF_ANSWERS
    table.add_column(kind_of(levels[0]), justify="right", no_wrap=True)
    for head, *_ in columns:
        table.add_column(head, justify="right", no_wrap=True)
    table.add_column("failed", justify="right", no_wrap=True)
    table.add_column("valid", no_wrap=True)
    for level in levels:
        table.add_row(
            f"{level[kind_of(level)]:g}",
            *(shown(level["metrics"][metric][figure]) for _, metric, figure in columns),
            shown(failed(level)),
            "yes" if level["valid"] else "no",
        )
    return table
