"""`flask rebuild`: derive what is stored again from what it was derived from."""

from contextlib import closing

import click
from flask import current_app
from flask.cli import AppGroup

from llm_measure.cli.errors import Command
from webapp.cli.reporting import reporting
from webapp.ingest.rebuild import rebuild_points
from webapp.redis import cache_redis
from webapp.store import connect

rebuild = AppGroup("rebuild", help="Derive stored values again from what they were derived from.")
rebuild.command_class = Command


@rebuild.command("points")
@reporting
def points() -> None:
    """Derive the points of measured runs, and what follows from them, again from their requests.

    An interrupted command is resumed by running it again.
    """
    settings = current_app.extensions["settings"]
    runs = changed = lost = 0
    with closing(connect(settings, "llm-benchmark rebuild")) as conn:
        for run in rebuild_points(conn, cache_redis(settings)):
            runs += 1
            changed += run.changed is True
            lost += run.changed is None
            if run.changed:
                click.echo(f"run {run.run_id}: changed")
    click.echo(f"{changed} of {runs} measured runs changed; the requests of {lost} are no longer kept")
