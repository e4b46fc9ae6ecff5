"""What all sections share: paired comparison, rows of figures, the table and the results file."""

import json
import os
import platform
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

RESULTS = Path(__file__).parent / "results.json"
LINE = "  {:<58} {:>10} {:>10} {:<10} {:>7}  {:<10} {}"


@dataclass(frozen=True)
class Row:
    """One figure, optionally with a baseline's figure and a bound on their ratio (ours / base)."""

    what: str
    unit: str
    ours: float
    base: float | None = None
    ratio: float | None = None
    at_most: float | None = None
    at_least: float | None = None

    @property
    def ok(self) -> bool:
        """Whether the ratio is within its bound, if it has one."""
        if self.ratio is None:
            return True
        return bool(
            (self.at_most is None or self.ratio <= self.at_most)
            and (self.at_least is None or self.ratio >= self.at_least)
        )


def compare(  # noqa: PLR0913  (each names a part of the comparison)
    what: str,
    unit: str,
    ours: Callable[[], float],
    base: Callable[[], float],
    *,
    rounds: int,
    warmup: int = 2,
    at_most: float | None = None,
    at_least: float | None = None,
) -> Row:
    """Measure both alternately; each call works once and returns its figure in `unit`.

    The figures are medians; the ratio is the median of the pairs' ratios, so that a temporary slowdown of the
    machine affects both sides. The order within a pair alternates.
    """
    pairs = []
    for turn in range(-warmup, rounds):
        if turn % 2:
            second, first = base(), ours()
            pair = (first, second)
        else:
            pair = (ours(), base())
        if turn >= 0:
            pairs.append(pair)
    return Row(
        what,
        unit,
        ours=median(a for a, _ in pairs),
        base=median(b for _, b in pairs),
        ratio=median(a / b for a, b in pairs),
        at_most=at_most,
        at_least=at_least,
    )


def seconds(work: Callable[[], object]) -> float:
    """Return the duration of one call, in seconds."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def print_rows(rows: Iterable[Row]) -> None:
    """Print a line for each row."""
    print(LINE.format("", "ours", "baseline", "", "ratio", "bound", ""))
    for row in rows:
        verdict = "" if _bound(row) == "" else "ok" if row.ok else "FAIL"
        print(LINE.format(row.what, _number(row.ours), _number(row.base), row.unit, _number(row.ratio),
                          _bound(row), verdict).rstrip())  # fmt: skip


def _bound(row: Row) -> str:
    if row.at_most is not None:
        return f"at most {row.at_most:g}"
    return "" if row.at_least is None else f"at least {row.at_least:g}"


def _number(value: float | None) -> str:
    """Format with three significant digits, or without decimals from 100."""
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def save(section: str, postgres_version: str, rows: list[Row]) -> None:
    """Replace the section's rows, date and environment in the results file."""
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    results[section] = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "cpus": os.cpu_count(),
        "postgresql": postgres_version,
        "rows": [{**asdict(row), "ok": row.ok} for row in rows],
    }
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")
