"""llm-measure detect."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from llm_measure.cli.errors import Command, CommandError
from llm_measure.cli.types import FiniteRange
from llm_measure.files import reason

if TYPE_CHECKING:
    from llm_measure.report.changes import Better
    from llm_measure.report.series import Series


@click.command("detect", cls=Command, short_help="Find changes of level in a series of runs.")
@click.argument("file", type=click.Path(allow_dash=True), metavar="SERIES.csv")
@click.option("--better", type=click.Choice(("lower", "higher")),
              help="Better direction, to mark changes for the worse.")  # fmt: skip
@click.option("--min-change", type=FiniteRange(min=0, max=10), default=0.1, show_default=True,
              metavar="RATIO", help="Smallest relative change worth an alarm.")  # fmt: skip
@click.option("--format", "form", type=click.Choice(("table", "json")), default="table", show_default=True,
              help="Output format.")  # fmt: skip
@click.option("--plot", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE.svg",
              help="Draw the series and its changes into FILE.svg.")  # fmt: skip
def detect(file: str, better: "Better", min_change: float, form: str, plot: Path | None) -> None:
    """Find changes of level in a series of runs, and when each would have been raised online.

    SERIES.csv has a run a line: time (ISO 8601 or Unix seconds) and value (above 0; empty if the run failed);
    - reads stdin. Exit codes: 0 done, with or without changes, 2 wrong options or an unusable file.
    """
    from rich.console import Console  # noqa: PLC0415

    from llm_measure.detection import detect as find_changes  # noqa: PLC0415
    from llm_measure.report.changes import document, print_changes  # noqa: PLC0415
    from llm_measure.report.tables import PIPE_WIDTH  # noqa: PLC0415

    if plot and plot.suffix != ".svg":
        raise CommandError(f"--plot {plot}: unknown format; expected a name that ends with .svg")
    series = _read(file)
    changes = find_changes(series.times, series.values, min_change=min_change)
    if plot:
        from llm_measure.report.plot import as_svg  # noqa: PLC0415

        _write(plot, as_svg(changes, series, better))
    if form == "json":
        click.echo(json.dumps(document(changes, series, better), indent=2))
    else:
        console = Console(width=None if sys.stdout.isatty() else PIPE_WIDTH)
        print_changes(changes, series, better, console)


def _read(file: str) -> "Series":
    from llm_measure.report.series import SeriesError, read_series  # noqa: PLC0415

    subject = "stdin" if file == "-" else file
    try:
        with click.open_file(file, encoding="utf-8-sig") as opened:
            return read_series(opened)
    except SeriesError as error:
        raise CommandError(f"{subject} {error}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{subject}: cannot be read: {reason(error)}") from None


def _write(plot: Path, picture: str) -> None:
    try:
        plot.write_text(picture, encoding="utf-8")
    except OSError as error:
        raise CommandError(f"--plot {plot}: cannot be written: {error.strerror}") from None
