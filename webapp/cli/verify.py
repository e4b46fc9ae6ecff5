"""`flask verify`: compare what is stored with what it was derived from."""

from contextlib import closing
from datetime import UTC, datetime

import click
from flask import current_app
from flask.cli import with_appcontext

from llm_measure.cli.errors import Command
from llm_measure.text import printable
from webapp.cli.reporting import reporting
from webapp.ingest.verify import differences
from webapp.store import connect
from webapp.store.derived import Difference

LONGEST_VALUE = 40


@click.command("verify", cls=Command)
@click.option(
    "--limit",
    default=20,
    show_default=True,
    type=click.IntRange(min=0),
    help="Largest number of differences to print.",
)
@with_appcontext
@reporting
def verify(limit: int) -> None:
    """Compare points, rollups, windows, views and totals with what they were derived from.

    Only reads, in one snapshot of the database. The exit code is 0 if everything is equal, 1 if something
    differs, and 2 if it could not be compared.
    """
    settings, found = current_app.extensions["settings"], 0
    with closing(connect(settings, "llm-benchmark verify")) as conn:
        for difference in differences(conn, settings, datetime.now(UTC)):
            found += 1
            if found <= limit:
                click.echo(_line(difference))
    click.echo(f"{found} differences" if found else "no differences")
    if found:
        raise SystemExit(1)


def _line(found: Difference) -> str:
    stored, derived = (_shown(found, side) for side in (found.stored, found.derived))
    return printable(f"{found.table}, {found.where}: stored {stored}; derived {derived}")


def _shown(found: Difference, side: dict | None) -> str:
    if side is None:
        return "nothing"
    columns = found.columns or [name for name in ("points", "runs", "n", "mean") if name in side]
    return ", ".join(f"{name} {_cut(side[name])}" for name in columns)


def _cut(value: object) -> str:
    text = str(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 3]}..."
