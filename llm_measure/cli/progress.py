"""Progress of a level on stderr: a live line on a terminal, plain lines otherwise."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as ProgressBar

from llm_measure.progress import Progress
from llm_measure.workloads import Load

LINE_SECONDS = 2.0


@contextmanager
def progress_display(load: Load) -> Iterator[Callable[[Progress], None]]:
    """Yield what to call with the level's progress."""
    if sys.stderr.isatty():
        with _live(load) as show:
            yield show
    else:
        yield _lines(load)


@contextmanager
def _live(load: Load) -> Iterator[Callable[[Progress], None]]:
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[text]}"))
    with ProgressBar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(load.name, total=1, text="")

        def show(progress: Progress) -> None:
            bar.update(task, completed=_fraction(load, progress), text=_text(progress))

        yield show


def _lines(load: Load) -> Callable[[Progress], None]:
    printed = time.monotonic()

    def show(progress: Progress) -> None:
        nonlocal printed
        if time.monotonic() - printed >= LINE_SECONDS:
            printed = time.monotonic()
            print(f"{load.name}: {_text(progress)}", file=sys.stderr, flush=True)

    return show


def _fraction(load: Load, progress: Progress) -> float:
    if load.requests is not None:
        return (progress.conversations or progress.ended) / (load.warmup + load.requests)
    return min(1.0, progress.elapsed_s / (load.duration_s or 1))


def _text(progress: Progress) -> str:
    return (
        f"{progress.sent} sent, {progress.ended} ended, {progress.failed} failed, {progress.elapsed_s:.0f} s"
    )
