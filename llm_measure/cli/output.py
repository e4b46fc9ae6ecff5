"""Where the report of llm-measure run goes."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import click
from rich.console import Console

from llm_measure.cli import plot
from llm_measure.cli.errors import CommandError
from llm_measure.report.csv import as_csv
from llm_measure.report.document import as_json
from llm_measure.report.errors import error_lines
from llm_measure.report.find import path_csv, print_search
from llm_measure.report.lines import record_lines
from llm_measure.report.tables import PIPE_WIDTH, print_tables
from llm_measure.results import LevelResult


def check_writable(options: dict[str, Any]) -> None:
    """Fail before anything is measured, rather than after; raises CommandError."""
    if options["plot"]:
        plot.check(options["plot"])
    for name in ("out", "records", "plot"):
        if path := options[name]:
            with _refusing(f"--{name} {path}"):
                path.open("a").close()


def write_records(path: Path, result: LevelResult, append: bool) -> None:
    """Write the level's requests to --records, after those of former levels; raises CommandError."""
    with _refusing(f"--records {path}"), path.open("ab" if append else "wb") as file:
        file.writelines(record_lines(result))


def write_plot(found: Mapping[str, Any], path: Path) -> None:
    """Draw the document into --plot; raises CommandError."""
    with _refusing(f"--plot {path}"):
        plot.draw(found, path)


@contextmanager
def _refusing(subject: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CommandError(f"{subject}: cannot be written: {error.strerror}") from None


def write(found: Mapping[str, Any], options: dict[str, Any]) -> None:
    """Write the document in the chosen format to --out or, if that fails or is not given, to stdout."""
    out, failure = options["out"], None
    if out:
        try:
            with out.open("w", encoding="utf-8") as file:
                _print(found, options, file)
            return
        except OSError as error:
            failure = CommandError(
                f"--out {out}: cannot be written: {error.strerror}; the report is on stdout"
            )
    _print(found, options, sys.stdout)
    sys.stdout.flush()
    if failure:
        raise failure


def _print(found: Mapping[str, Any], options: dict[str, Any], file: TextIO) -> None:
    if options["format"] == "json":
        file.write(as_json(found, indent=None if options["with_records"] else 2))
    elif options["format"] == "csv" and "find" in found:
        file.write(path_csv(found["find"]))
    elif options["format"] == "csv":
        for level in found["levels"]:
            for line in (*error_lines(level), *level["warnings"]):
                click.echo(line, err=True)
        file.write(as_csv(found["levels"]))
    else:
        console = Console(file=file, width=None if file.isatty() else PIPE_WIDTH)
        if "find" in found:
            print_search(found["find"], console)
        else:
            print_tables(found["levels"], console)
