"""What came of the levels, for people and for programs."""

import csv
import io
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from jobs.measure.derive import derive, latencies_from_intended
from jobs.measure.record import LevelResult
from webapp.metrics import METRICS, METRICS_BY_NAME

QUANTILES = (50, 90, 95, 99)
FIGURES = ("n", "mean", "stddev", "min", "max", *(f"p{quantile}" for quantile in QUANTILES))
# A pipe has no width; no figure is to be cut there.
PIPE_WIDTH = 140


def summary(result: LevelResult, slo: Mapping[str, float]) -> dict[str, Any]:
    """One level in the stable form of `--format json`."""
    load, measured = result.load, [record for record in result.records if not record.warmup]
    values = derive(result.records, slo, result.duration_s)
    return {
        "pattern": "closed" if load.concurrency else load.arrival,
        **({"concurrency": load.concurrency} if load.concurrency else {"rate": load.rate}),
        "requests": len(measured),
        "warmup": load.warmup,
        "errors": dict(Counter(record.error for record in measured if record.error)),
        "error_details": _details(result),
        "started_at": result.started_at.isoformat(),
        "duration_s": result.duration_s,
        "valid": result.valid,
        "invalid_reason": result.invalid_reason,
        "client_cpu_s": result.client_cpu_s,
        "send_lag_ms": asdict(result.send_lag),
        "token_sources": dict(Counter(record.token_source for record in measured if record.token_source)),
        "metrics": {metric.name: {"unit": metric.unit, **figures(values[metric.name])} for metric in METRICS},
        "from_intended": {
            name: {"unit": METRICS_BY_NAME[name].unit, **figures(late)}
            for name, late in latencies_from_intended(result.records).items()
        },
    }


def figures(values: np.ndarray) -> dict[str, float | None]:
    """n, mean, standard deviation (n - 1), min, max and quantiles, each of which is one of the values."""
    n = len(values)
    if n == 0:
        return {"n": 0, **dict.fromkeys(FIGURES[1:])}
    spread = float(values.std(ddof=1)) if n > 1 else None
    quantiles = np.percentile(values, QUANTILES, method="inverted_cdf").tolist()
    numbers = (n, float(values.mean()), spread, float(values.min()), float(values.max()), *quantiles)
    return dict(zip(FIGURES, numbers, strict=True))


def as_json(levels: Sequence[dict[str, Any]], asked: Mapping[str, Any]) -> str:
    """All levels, and what was asked."""
    return json.dumps({**asked, "levels": list(levels)}, indent=2) + "\n"


def as_csv(levels: Sequence[dict[str, Any]]) -> str:
    """A line for each level and metric."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("pattern", "load", "valid", "requests", "failed", "metric", "unit", *FIGURES))
    for level in levels:
        load = level.get("concurrency", level.get("rate"))
        start = (level["pattern"], load, str(level["valid"]).lower(), level["requests"], _failed(level))
        for name, told in level["metrics"].items():
            writer.writerow((*start, name, told["unit"], *(told[figure] for figure in FIGURES)))
    return text.getvalue()


def as_tables(levels: Sequence[dict[str, Any]], console: Console) -> None:
    """Print a table for each level."""
    for level in levels:
        table = Table(title=_title(level), title_justify="left", title_style="bold")
        table.add_column("metric", no_wrap=True)
        table.add_column("unit", no_wrap=True)
        for figure in FIGURES:
            table.add_column(figure, justify="right")
        for name, told in level["metrics"].items():
            table.add_row(name, told["unit"], *(_shown(told[figure]) for figure in FIGURES))
        console.print(table)
        for line in told_errors(level):
            console.print(line, markup=False, highlight=False)
        if not level["valid"]:
            console.print(f"[bold red]not valid[/]: {escape(level['invalid_reason'])}", highlight=False)
        if level["token_sources"].get("chunks"):
            console.print("tokens are estimated: without usage from the server, a chunk counts as one")


def _title(level: Mapping[str, Any]) -> str:
    load = f"concurrency {level['concurrency']}" if "concurrency" in level else ""
    load = load or f"{level['pattern']} arrivals, {level['rate']:g}/s"
    return escape(
        f"{load}: {level['requests']} requests, {_failed(level)} failed, {level['duration_s']:.1f} s"
    )


def told_errors(level: Mapping[str, Any]) -> list[str]:
    """A line for each class of error."""
    details = level["error_details"]
    return [f"{number} x {error}: {details.get(error, '')}" for error, number in level["errors"].items()]


def _failed(level: Mapping[str, Any]) -> int:
    """How many requests failed; those that the end cut off have not."""
    return sum(number for error, number in level["errors"].items() if error != "cancelled")


def _details(result: LevelResult) -> dict[str, str]:
    """The first detail of each class of error."""
    details: dict[str, str] = {}
    for record in result.records:
        if record.error and record.error_detail:
            details.setdefault(record.error, record.error_detail)
    return details


def _shown(value: float | None) -> str:
    """Four digits or all before the point."""
    if value is None:
        return "-"
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4g}"
