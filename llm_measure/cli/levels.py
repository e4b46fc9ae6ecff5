"""Measuring from the command line: level after level, reported at the end."""

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from llm_measure.capacity import Capacity, Search
from llm_measure.cli.errors import CommandError
from llm_measure.cli.find import levels_of
from llm_measure.cli.options import level_load
from llm_measure.cli.output import check_writable, write, write_plot, write_records
from llm_measure.cli.progress import progress_display
from llm_measure.client.levels import Levels
from llm_measure.client.probe import probe_prompts
from llm_measure.client.processes import ClientProcessError
from llm_measure.endpoints import Endpoint
from llm_measure.give_up import Refusals
from llm_measure.load.prompts import WORD_BY_WORD
from llm_measure.progress import Progress, Stop
from llm_measure.report.document import document, file_digests
from llm_measure.results import LevelResult
from llm_measure.sweep import MAX_CONCURRENCY, sweep
from llm_measure.workloads import Load, Workload


def measure_and_report(
    endpoint: Endpoint, workload: Workload, asked: list[Load] | Search, options: dict[str, Any]
) -> bool:
    """Measure each level, then write the report; return whether each had a successful response.

    Of a search, whether any had, since its loads may be too much for the endpoint.
    `options` are those of the command. Raises CommandError; levels measured before it are reported anyway.
    """
    check_writable(options)
    results: list[LevelResult] = []
    found: list[Capacity] = []
    failure: Exception | None = None
    with _stop_signals() as stop:
        try:
            digests = file_digests(workload)
            for result in _levels(endpoint, workload, asked, options, stop, found.append):
                results.append(result)
                if options["records"]:
                    write_records(options["records"], result, append=len(results) > 1)
        except CommandError as error:
            failure = error
        except (ValueError, ClientProcessError) as error:  # such as a dataset that became unreadable
            failure = click.Abort() if stop.is_set() else CommandError(str(error))
        if results:
            report = document(endpoint, workload, results, options["with_records"], digests)
            if found:
                capacity = found[-1].interrupted() if stop.is_set() else found[-1]
                report["find"] = capacity.to_dict()
            write(report, options)
            if options["plot"]:
                write_plot(report, options["plot"])
    if failure:
        raise failure
    return (any if isinstance(asked, Search) else all)(map(_has_a_response, results))


def _levels(  # noqa: PLR0913, PLR0917  (each names a part of the measurement)
    endpoint: Endpoint,
    workload: Workload,
    asked: list[Load] | Search,
    options: dict[str, Any],
    stop: Stop,
    keep: Callable[[Capacity], None],
) -> Iterator[LevelResult]:
    refusals = Refusals(options["give_up_after"], stop)
    counting = WORD_BY_WORD if options["no_probe"] else probe_prompts(endpoint, workload, stop)
    levels = Levels(endpoint, workload, counting, options["processes"])

    def measure(load: Load) -> LevelResult:
        refusals.are_enough = False  # those of the level before, which a search repeats
        with progress_display(load) as show:

            def watch(progress: Progress) -> None:
                show(progress)
                refusals.watch(progress)

            return levels.measure(load, watch, refusals)

    if isinstance(asked, Search):
        results = levels_of(asked, measure, options, keep)
    elif options["sweep"]:
        results = sweep(lambda streams: measure(level_load(options, concurrency=streams)), _note_limit)
    else:
        results = map(measure, asked)
    for result in results:
        gives_up = refusals.are_enough and not isinstance(asked, Search)  # which ends with its reason
        if gives_up:
            print(_refused(result), file=sys.stderr)
        yield result
        if gives_up or stop.is_set():
            return


def _note_limit() -> None:
    print(
        f"concurrency {MAX_CONCURRENCY}: throughput still grows, but --sweep ends here; --concurrency takes"
        " higher numbers",
        file=sys.stderr,
    )


def _refused(result: LevelResult) -> str:
    """Return why the run ends early; the last failure is the reason, as they are all alike."""
    failed = [record for record in result.records if record.error not in (None, "cancelled")]
    return (
        f"{result.load.name}: gave up after {len(failed)} requests that all failed alike"
        f" ({failed[-1].error}: {failed[-1].error_detail}); --give-up-after 0 continues"
    )


def _has_a_response(result: LevelResult) -> bool:
    return any(record.error is None and not record.warmup for record in result.records)


@contextmanager
def _stop_signals() -> Iterator[threading.Event]:
    """Set the event at the first Ctrl-C or SIGTERM; a second Ctrl-C ends the process."""
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
