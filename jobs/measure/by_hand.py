"""Measuring from the command line: level after level, shown, written and perhaps stored."""

import secrets
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from itertools import chain
from pathlib import Path
from typing import Any

import click
import psycopg2
from flask import current_app
from rich.console import Console

from jobs.measure.declare import ChangedWorkloadError
from jobs.measure.display import shown
from jobs.measure.level import measure_level
from jobs.measure.options import load as level_load
from jobs.measure.record import LevelResult
from jobs.measure.report import PIPE_WIDTH, as_csv, as_json, as_tables, summary, told_errors
from jobs.measure.save import check_savable, save
from jobs.measure.sweep import sweep
from jobs.measure.workload import Endpoint, Load, Workload
from webapp.llms import UnknownLLMError
from webapp.refusal import Refusal
from webapp.settings import Settings, SettingsError, exit_for


def measure_by_hand(
    endpoint: Endpoint, workload: Workload, loads: list[Load], options: dict[str, Any]
) -> bool:
    """Whether each level had a right answer; `options` are the command's. Refusal if one is unusable."""
    if workload.seed is None:
        workload = replace(workload, seed=secrets.randbits(32))
    store = _storing(options["llm"]) if options["save"] else None
    _check_out(options["out"])
    results: list[LevelResult] = []
    with _stopping() as stop:

        def measure(load: Load) -> LevelResult:
            with shown(load) as tell:
                result = measure_level(
                    endpoint,
                    workload,
                    load,
                    first_index=1 + results[-1].records[-1].index if results else 0,
                    processes=options["processes"],
                    on_progress=tell,
                    stop=stop,
                )
            results.append(result)
            return result

        try:
            if options["sweep"]:
                levels: Iterator[LevelResult] = sweep(
                    lambda streams: measure(level_load(options, concurrency=streams))
                )
            else:
                levels = map(measure, loads)
            for result in levels:
                if stop.is_set() or not result.records:
                    break
        except ValueError as error:  # such as of an unreadable dataset
            raise Refusal(str(error)) from None
    _write(results, endpoint, workload, options)
    if store:
        store(workload, results)
    return bool(results) and all(_has_an_answer(result) for result in results)


def _has_an_answer(result: LevelResult) -> bool:
    return any(record.error is None and not record.warmup for record in result.records)


@contextmanager
def _stopping() -> Iterator[threading.Event]:
    """Set by the first Ctrl-C or SIGTERM; a second Ctrl-C ends as usual."""
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
    """Before anything is measured, so that it is not measured in vain."""
    if out is None:
        return
    try:
        out.open("a").close()
    except OSError as error:
        raise Refusal(f"--out {out}: cannot be written: {error.strerror}") from None


def _write(
    results: list[LevelResult], endpoint: Endpoint, workload: Workload, options: dict[str, Any]
) -> None:
    levels = [summary(result, workload.slo) for result in results]
    with options["out"].open("w") if options["out"] else _stdout() as file:
        if options["form"] == "json":
            asked = {
                "endpoint": {"base_url": endpoint.base_url, "model": endpoint.model, "api": endpoint.api}
            }
            file.write(as_json(levels, {**asked, "workload": asdict(workload)}))
        elif options["form"] == "csv":
            file.write(as_csv(levels))
            for line in chain.from_iterable(map(told_errors, levels)):
                click.echo(line, err=True)
        else:
            as_tables(levels, Console(file=file, width=None if file.isatty() else PIPE_WIDTH))


@contextmanager
def _stdout() -> Iterator[Any]:
    yield sys.stdout
    sys.stdout.flush()


def _storing(llm: str) -> Callable[[Workload, list[LevelResult]], None]:
    """What stores the levels; checked before anything is measured. Refusal if they cannot be stored."""
    try:
        settings = current_app.extensions.get("settings") or Settings.from_env()
    except SettingsError as error:
        exit_for(error)

    def guarded(work: Callable[[], None]) -> None:
        try:
            work()
        except (UnknownLLMError, ChangedWorkloadError) as error:
            raise Refusal(f"--llm {llm}: {error}") from None
        except psycopg2.Error as error:
            reason = str(error).strip().splitlines()[0]
            raise Refusal(f"--save: the database cannot be used: {reason}") from None

    def store(workload: Workload, results: list[LevelResult]) -> None:
        for saved in save(settings, llm, workload, results):
            unranked = f", not ranked: {saved.unranked}" if saved.unranked else ""
            click.echo(f"saved as workload {saved.workload}{unranked}", err=True)

    guarded(lambda: check_savable(settings, llm))
    return lambda workload, results: guarded(lambda: store(workload, results))
