"""The levels of a measurement as CSV."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from llm_measure.report.errors import failed
from llm_measure.report.loads import kind_of
from llm_measure.report.notes import counts
from llm_measure.stats.summary import NAMES
from llm_measure.text import csv_cell


def as_csv(levels: Sequence[Mapping[str, Any]]) -> str:
    """Return a line per level and metric, and kind of turn; `levels` are those of the JSON document."""
    rows = [_columns(level) | described for level in levels for described in _rows(level)]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(rows[0])
    for row in rows:
        writer.writerow(csv_cell(cell) if isinstance(cell, str) else cell for cell in row.values())
    return text.getvalue()


def _rows(level: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the figures of each metric; with conversations, then those of first and of later turns."""
    turns = {"all": level["metrics"], **level["by_turn"]} if "by_turn" in level else {None: level["metrics"]}
    for which, metrics in turns.items():
        for name, figures in metrics.items():
            column = {"turns": which} if which else {}
            yield {**column, "metric": name, "unit": figures["unit"]} | {
                each: figures.get(each) for each in NAMES
            }


def _columns(level: Mapping[str, Any]) -> dict[str, Any]:
    """Return what describes the level, by the name of its column; None: unknown."""
    begin, end = level["span_s"]
    prompt = level["prompt_tokens"]
    return {
        "pattern": level["pattern"],
        "load": level[kind_of(level)],
        "valid": str(level["valid"]).lower(),
        "requests": level["requests"],
        "failed": failed(level),
        "prompt_tokens_asked": prompt["asked"],
        "prompt_tokens_counted": prompt["counted"],
        "cached_share": level["cached_share"],
        **({"inputs": level["inputs"]} if "inputs" in level else _of_answers(level)),
        "span_begin_s": begin,
        "span_end_s": end,
        "offered_rate": level.get("offered_rate"),
        "achieved_rate": level.get("achieved_rate"),
        "client_wait_s": level["client_wait_s"],
        "clock": level["clock"],
        "http_version": level["http_version"],
        "insecure": str(level["transport"].get("insecure", False)).lower(),
    }


def _of_answers(level: Mapping[str, Any]) -> dict[str, Any]:
    output = level["output_tokens"]
    return {
        "output_tokens_asked": output["asked"],
        "output_tokens_counted": output["counted"],
        "output_tokens_seen": output["seen"],
        "chunks": output["chunks"],
        "token_sources": counts(level["token_sources"]),
        "finish_reasons": counts(level["finish_reasons"]),
    }
