"""flask import-results: store what `llm-measure run` has measured."""

from pathlib import Path

import click
from flask import current_app
from flask.cli import with_appcontext

from llm_measure.cli.errors import Command, CommandError
from llm_measure.report.reading import UnreadableDocumentError, read_document
from webapp.cli.reporting import reporting
from webapp.ingest import import_results as ingest
from webapp.ingest.register import ChangedScenarioError
from webapp.plan.schema import check_name


@click.command("import-results", cls=Command)
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True, path_type=Path))
@click.option("--llm", required=True, help="Name of the LLM that was measured.")
@click.option("--name", help="Name of the workload.  [default: after its lengths, with a digest]")
@with_appcontext
@reporting
def import_results(file: Path, llm: str, name: str | None) -> None:
    """Store results as runs of an LLM, under source measurement.

    FILE is what `llm-measure run --format json --records` has written; - reads stdin.
    """
    try:
        if name is not None:
            check_name(name)
        with click.open_file(str(file), encoding="utf-8") as opened:
            results = read_document(opened.read())
    except UnreadableDocumentError as error:
        raise CommandError(f"FILE {file}: {error}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"FILE {file}: cannot be read: {error}") from None
    except ValueError as error:
        raise CommandError(f"--name {name!r}: {error}") from None
    try:
        imported = ingest.import_results(current_app.extensions["settings"], llm, results, name)
    except ChangedScenarioError as error:
        raise CommandError(str(error)) from None
    for level in imported:
        unranked = f", not ranked: {level.unranked}" if level.unranked else ""
        click.echo(f"imported as scenario {level.scenario}{unranked}")
