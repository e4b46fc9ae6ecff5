"""Progress while a level lasts: a live line on a terminal, plain lines otherwise; both on stderr."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from jobs.measure import client
from jobs.measure.workload import Load

LINE_SECONDS = 2.0


@contextmanager
def shown(load: Load) -> Iterator[Callable[[client.Progress], None]]:
    """What to call with each news of the level."""
    if sys.stderr.isatty():
        with _live(load) as tell:
            yield tell
    else:
        yield _lines(load)


@contextmanager
def _live(load: Load) -> Iterator[Callable[[client.Progress], None]]:
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[news]}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(load.name, total=1, news="")

        def tell(news: client.Progress) -> None:
            progress.update(task, completed=_share_done(load, news), news=_told(news))

        yield tell


def _lines(load: Load) -> Callable[[client.Progress], None]:
    told = time.monotonic()

    def tell(news: client.Progress) -> None:
        nonlocal told
        if time.monotonic() - told >= LINE_SECONDS:
            told = time.monotonic()
            print(f"{load.name}: {_told(news)}", file=sys.stderr, flush=True)

    return tell


def _share_done(load: Load, news: client.Progress) -> float:
    if load.requests is not None:
        return news.ended / (load.warmup + load.requests)
    return min(1.0, news.elapsed_s / (load.duration_s or 1))


def _told(news: client.Progress) -> str:
    return f"{news.sent} sent, {news.ended} ended, {news.failed} failed, {news.elapsed_s:.0f} s"
