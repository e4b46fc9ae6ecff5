"""The search of llm-measure run --find: its options, and its progress."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import click

from llm_measure.capacity import Capacity, Search
from llm_measure.find.objectives import ERROR_RATE
from llm_measure.find.search import Measure, searching
from llm_measure.report.find import step_line
from llm_measure.results import LevelResult
from llm_measure.text import printable
from llm_measure.workloads import Load

# What the search decides itself.
DECIDED = ("concurrency", "rate", "sweep", "trace", "speed", "requests", "duration", "warmup")
NEED_FIND = ("confidence", "budget")


def search_of(options: dict[str, Any]) -> Search | None:
    """Return what --find searches for, None without it; ValueError for options that contradict it."""
    if not options["find"]:
        for name in NEED_FIND:
            if options[name] is not None:
                raise ValueError(f"--{name}: needs --find")
        for name in options["slo"] or ():
            if name == ERROR_RATE or ":" in name:
                raise ValueError(
                    f"slo={name}: unknown objective without --find; expected a metric such as e2e_latency"
                )
        return None
    for name in DECIDED:
        if options.get(name):
            raise ValueError(f"--find and --{name}: expected one of them")
    if options["arrival"] and options["find"] != "rate":
        raise ValueError("--arrival: needs --find rate")
    if not options["slo"]:
        raise ValueError("--find: needs --slo, such as --slo ttft:p95=0.5,error_rate=0.01")
    given = {name: options[name] for name in NEED_FIND if options[name] is not None}
    return Search(options["find"], options["slo"], **given)


def levels_of(
    search: Search, measure: Measure, options: dict[str, Any], keep: Callable[[Capacity], None]
) -> Iterator[LevelResult]:
    """Yield each level of the search when it is judged; `keep` gets what is then known of the capacity."""
    arrival: Any = options["arrival"] or "poisson"
    yielded = 0

    def arriving(load: Load) -> LevelResult:
        return measure(replace(load, arrival=arrival) if load.rate else load)

    for capacity in searching(search, arriving):
        keep(capacity)
        _show(capacity)
        yield from capacity.levels[yielded:]
        yielded = len(capacity.levels)


def _show(capacity: Capacity) -> None:
    """Print what is known of the newest level on stderr."""
    if not capacity.path:
        click.echo(printable(capacity.reason or ""), err=True)
        return
    newest = capacity.levels[-1].load
    find = capacity.to_dict()
    for step in find["path"]:
        if step["load"] in (newest.rate, newest.concurrency):
            click.echo(step_line(find, step), err=True)
