"""Findings as a table for a terminal and as a JSON document."""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from llm_measure.check.finding import Finding
from llm_measure.text import printable

COLUMNS = ("LLM", "verdict", "reached", "key", "model", "stream", "usage", "reasoning", "cache",
           "first token", "prompt tokens")  # fmt: skip
LEFT_OUT_FIRST = ("prompt tokens", "reached", "reasoning", "usage", "cache", "first token")
COLOURS = {"usable": "green", "change": "yellow", "fails": "red"}
YES_OR_NO = {True: "yes", False: "no", None: "-"}

Changes = Callable[[dict[str, Any]], Iterable[str]]


def document(findings: Sequence[Finding]) -> dict[str, Any]:
    """Return the findings for scripts."""
    endpoints = [{"verdict": finding.verdict, **asdict(finding)} for finding in findings]
    for endpoint in endpoints:
        del endpoint["place"]
    return {"endpoints": endpoints, "requests": sum(finding.requests for finding in findings)}


def print_findings(findings: Sequence[Finding], changes: Changes, console: Console) -> None:
    """Print a row per endpoint, then what is wrong and what to set; `changes` says it in lines."""
    unlimited = console.options.update(max_width=sys.maxsize)
    for number in range(len(LEFT_OUT_FIRST) + 1):
        left_out = LEFT_OUT_FIRST[:number]
        table = _table(findings, left_out)
        if console.measure(table, options=unlimited).maximum <= console.width:
            break
    console.print(table)
    if left_out:
        console.print(f"Not shown on a narrow terminal: {', '.join(left_out)}.", highlight=False)
    for finding in findings:
        for line in _lines(finding, changes):
            console.print(printable(f"{finding.name}: {line}"), markup=False, highlight=False, soft_wrap=True)
    total = sum(finding.requests for finding in findings)
    console.print(f"{total} requests were sent.", highlight=False)


def _table(findings: Sequence[Finding], left_out: Sequence[str]) -> Table:
    table = Table()
    kept = [place for place, name in enumerate(COLUMNS) if name not in left_out]
    for place in kept:
        table.add_column(COLUMNS[place], overflow="fold")
    for finding in findings:
        cells = list(_cells(finding))
        shown = (escape(printable(cells[place])) for place in kept)
        table.add_row(*shown, style=COLOURS[finding.verdict])
    return table


def _cells(finding: Finding) -> Iterator[str]:
    yield finding.name
    yield finding.verdict
    yield YES_OR_NO[finding.reachable]
    yield finding.key or "-"
    yield {True: "known", False: "unknown", None: "-"}[finding.model_known]
    yield finding.stream or "-"
    yield YES_OR_NO[finding.usage]
    yield finding.reasoning or "-"
    yield finding.cache or "-"
    yield "-" if finding.ttft_s is None else f"{finding.ttft_s:.3g} s"
    yield _prompt(finding)


def _prompt(finding: Finding) -> str:
    """Return the number of words of the prompt that was sent, and how the endpoint counts it."""
    if finding.prompt_tokens is None:
        return "-"
    counted = f"{finding.words} words: {finding.prompt_tokens}"
    if finding.tokens_per_word is None:
        return counted
    return f"{counted} ({finding.template_tokens} + {finding.tokens_per_word:.3g} per word)"


def _lines(finding: Finding, changes: Changes) -> Iterator[str]:
    if finding.problem:
        yield f"cannot be measured: {finding.problem}"
    yield from changes(finding.changes)
    yield from finding.advice
