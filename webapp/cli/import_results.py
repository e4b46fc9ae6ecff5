"""`flask import-results`: store what `llm-measure run` has measured."""

import click
from flask import current_app
from flask.cli import with_appcontext

from llm_measure.cli.errors import Command, CommandError
from llm_measure.files import reason
from llm_measure.report.reading import ReadDocument, UnreadableDocumentError, read_document
from llm_measure.text import printable
from webapp.cli.llms import checked_name
from webapp.cli.reporting import reporting, restoring
from webapp.errors import shown
from webapp.ingest import import_results as ingest
from webapp.ingest.register import ChangedScenarioError
from webapp.plan.fields import check_name


def _check_workload_name(context: click.Context, option: click.Parameter, name: str | None) -> str | None:
    try:
        if name is not None:
            check_name(name)
    except ValueError as error:
        raise click.BadParameter(f"{shown(name)}: {error}") from None
    return name


@click.command("import-results", cls=Command)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@click.option("--llm", required=True, help="Name of the LLM that was measured.")
@click.option(
    "--name", callback=_check_workload_name, help="Name of the workload.  [default: its lengths and a digest]"
)
@with_appcontext
@reporting
def import_results(file: str, llm: str, name: str | None) -> None:
    """Store measured results as runs of an LLM, with source measurement.

    FILE is the output of `llm-measure run --format json --with-records`; - reads stdin.
    """
    llm, results = checked_name(llm), _read(file)
    try:
        imported = ingest.import_results(current_app.extensions["settings"], llm, results, name)
    except ingest.ArchivedLLMError:
        raise CommandError(f"llm={shown(llm)}: archived; {restoring(llm)}") from None
    except (ChangedScenarioError, ingest.UnusableResultsError) as error:
        raise CommandError(str(error)) from None
    for level in imported:
        done = "already stored" if level.already_stored else "imported"
        unranked = f", not ranked: {printable(level.unranked)}" if level.unranked else ""
        click.echo(f"{done} as scenario {level.scenario}{unranked}")


def _read(file: str) -> ReadDocument:
    subject = "stdin" if file == "-" else file
    try:
        with click.open_file(file, encoding="utf-8") as opened:
            return read_document(opened.read())
    except UnreadableDocumentError as error:
        raise CommandError(f"{subject}: {error}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{subject}: cannot be read: {reason(error)}") from None
