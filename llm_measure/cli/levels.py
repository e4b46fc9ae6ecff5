"""Measuring from the command line: level after level, shown and written."""

import secrets
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from llm_measure.cli.errors import CommandError
from llm_measure.cli.options import level_load
from llm_measure.cli.progress import progress_display
from llm_measure.client.level import measure_level
from llm_measure.endpoints import Endpoint
from llm_measure.report.csv import as_csv
from llm_measure.report.document import as_json, document
from llm_measure.report.errors import error_lines
from llm_measure.report.tables import PIPE_WIDTH, print_tables
from llm_measure.results import LevelResult
from llm_measure.sweep import sweep
from llm_measure.workloads import Load, Workload


def measure_levels(
    endpoint: Endpoint, workload: Workload, loads: list[Load], options: dict[str, Any]
) -> bool:
    """Measure and report each level; return whether each had a correct response.

    `options` are those of the command. Raises CommandError.
    """
    if workload.seed is None:
        workload = replace(workload, seed=secrets.randbits(32))
    _check_out(options["out"])
    results: list[LevelResult] = []
    with _stop_signals() as stop:

        def measure(load: Load) -> LevelResult:
            with progress_display(load) as show:
                result = measure_level(
                    endpoint,
                    workload,
                    load,
                    first_index=1 + results[-1].records[-1].index if results else 0,
                    processes=options["processes"],
                    on_progress=show,
                    stop=stop,
                )
            results.append(result)
            return result

        try:
            if options["sweep"]:
                levels = sweep(lambda streams: measure(level_load(options, concurrency=streams)))
            else:
                levels = map(measure, loads)
            for result in levels:
                if stop.is_set() or not result.records:
                    break
        except ValueError as error:  # such as an unreadable dataset
            raise CommandError(str(error)) from None
    _write(results, endpoint, workload, options)
    return bool(results) and all(map(_has_a_response, results))


def _has_a_response(result: LevelResult) -> bool:
    return any(record.error is None and not record.warmup for record in result.records)


@contextmanager
def _stop_signals() -> Iterator[threading.Event]:
    """Set the event at the first Ctrl-C or SIGTERM; a second Ctrl-C ends the process as usual."""
    stop = threading.Event()

    def ask(number: int, frame: object) -> None:
        stop.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    former = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def _check_out(out: Path | None) -> None:
    """Fail before anything is measured, rather than after."""
    if out is None:
        return
    try:
        out.open("a").close()
    except OSError as error:
        raise CommandError(f"--out {out}: cannot be written: {error.strerror}") from None


def _write(
    results: list[LevelResult], endpoint: Endpoint, workload: Workload, options: dict[str, Any]
) -> None:
    found = document(endpoint, workload, results, options["records"])
    with options["out"].open("w") if options["out"] else _stdout() as file:
        if options["form"] == "json":
            file.write(as_json(found))
        elif options["form"] == "csv":
            file.write(as_csv(found["levels"]))
            for line in chain.from_iterable(map(error_lines, found["levels"])):
                click.echo(line, err=True)
        else:
            print_tables(found["levels"], Console(file=file, width=None if file.isatty() else PIPE_WIDTH))


@contextmanager
def _stdout() -> Iterator[Any]:
    yield sys.stdout
    sys.stdout.flush()
