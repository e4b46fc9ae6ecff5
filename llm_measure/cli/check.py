"""llm-measure check: its options."""

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from llm_measure.cli.endpoint_options import body_options, endpoint_options, extra_body_option
from llm_measure.cli.errors import Command, CommandError
from llm_measure.cli.types import FiniteRange
from llm_measure.files import reason

if TYPE_CHECKING:
    from llm_measure.check.finding import Finding, Target


@click.command("check", cls=Command, short_help="Check whether endpoints can be measured.")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), required=False, metavar="[FILE]")
@endpoint_options(required=False)
@body_options()
@extra_body_option()
@click.option("--write", "is_written", is_flag=True, help="Write the changes that helped into FILE.")
@click.option("--timeout", type=FiniteRange(min=0, min_open=True), default=30.0, show_default=True,
              metavar="SECONDS", help="Timeout of a request.")  # fmt: skip
@click.option("--format", "form", type=click.Choice(("table", "json")), default="table", show_default=True,
              help="Output format.")  # fmt: skip
@click.pass_context
def check(
    context: click.Context, file: Path | None, is_written: bool, timeout: float, form: str, **options: Any
) -> None:
    """Check the endpoints of a benchmark file, or the one of --base-url, by up to six small requests each.

    Of the file only the LLMs are checked: its workloads and notifications are when a scheduler reads it.

    Exit codes: 0 all can be measured as they are, 1 one needs a change or cannot be measured, 2 wrong options
    or an unusable file. What --write has written needs no change any more.
    """
    from llm_measure.check.examine import examine  # noqa: PLC0415

    _refuse_mixed(context, file, is_written, options)
    text, targets = _targets(file, options)
    findings = examine(targets, timeout)
    if file is not None and is_written:
        _write(file, text, findings)
    _print(findings, form, file is not None, is_written)
    if file is not None:
        click.echo(f"{file}: only the LLMs were checked, not workloads and notifications", err=True)
    is_done = {"usable", "change"} if is_written else {"usable"}
    if any(finding.verdict not in is_done for finding in findings):
        raise SystemExit(1)


def _refuse_mixed(
    context: click.Context, file: Path | None, is_written: bool, options: dict[str, Any]
) -> None:
    if (file is None) == (options["base_url"] is None):
        raise CommandError("FILE and --base-url: expected one of them")
    if file is None and is_written:
        raise CommandError("--write: needs FILE")
    given = click.core.ParameterSource.COMMANDLINE
    for name in options if file else ():
        if context.get_parameter_source(name) is given:
            raise CommandError(f"FILE has the options of its endpoints; leave out {_flag(context, name)}")


def _flag(context: click.Context, name: str) -> str:
    return next(option.opts[0] for option in context.command.params if option.name == name)


def _targets(file: Path | None, options: dict[str, Any]) -> tuple[str, Sequence["Target"]]:
    """Return the file's text, and what to examine."""
    from llm_measure.check.file import FileError, read_file  # noqa: PLC0415
    from llm_measure.check.finding import Target  # noqa: PLC0415
    from llm_measure.cli.options import endpoint_of  # noqa: PLC0415

    try:
        if file is not None:
            return read_file(file)
        endpoint = replace(endpoint_of(options), extra_body=options["extra_body"] or {})
        name = endpoint.base_url if options["model"] is None else endpoint.model
        return "", [Target(name, endpoint, model_is_open=options["model"] is None)]
    except FileError as error:
        raise CommandError(str(error)) from None
    except ValueError as error:
        raise CommandError(str(error)) from None


def _write(file: Path, text: str, findings: Sequence["Finding"]) -> None:
    """Write the changes into the file; those of an LLM that cannot be written are a problem of it."""
    from llm_measure.check.edit import EditError, with_changes, write_over  # noqa: PLC0415

    edited = text
    for finding in findings:
        if finding.verdict == "change" and finding.place is not None:
            try:
                edited = with_changes(edited, finding.place, finding.changes)
            except EditError as error:
                finding.problem = f"not written: the LLM {error}"
    if edited == text:
        return
    try:
        write_over(file, text, edited)
    except (EditError, OSError) as error:
        raise CommandError(f"{file}: not written: {reason(error)}") from None


def _print(findings: Sequence["Finding"], form: str, in_file: bool, is_written: bool) -> None:
    from rich.console import Console  # noqa: PLC0415

    from llm_measure.check.finding import set_fields, set_options, written_fields  # noqa: PLC0415
    from llm_measure.check.report import document, print_findings  # noqa: PLC0415
    from llm_measure.report.tables import PIPE_WIDTH  # noqa: PLC0415

    if form == "json":
        click.echo(json.dumps(document(findings), indent=2))
        return
    console = Console(width=None if sys.stdout.isatty() else PIPE_WIDTH)
    changes = written_fields if is_written else set_fields if in_file else set_options
    print_findings(findings, changes, console)
