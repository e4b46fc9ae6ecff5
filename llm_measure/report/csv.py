"""The levels of a measurement as CSV."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from llm_measure.report.errors import failed
from llm_measure.stats.summary import NAMES
from llm_measure.text import csv_cell


def as_csv(levels: Sequence[Mapping[str, Any]]) -> str:
    """Return one line per level and metric; `levels` are those of the JSON document."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("pattern", "load", "valid", "requests", "failed", "metric", "unit", *NAMES))
    for level in levels:
        load = level.get("concurrency", level.get("rate"))
        start = (level["pattern"], load, str(level["valid"]).lower(), level["requests"], failed(level))
        for name, figures in level["metrics"].items():
            row = (*start, name, figures["unit"], *(figures[figure] for figure in NAMES))
            writer.writerow(csv_cell(cell) if isinstance(cell, str) else cell for cell in row)
    return text.getvalue()
