"""`flask rebuild`: derive what is stored again from what it was derived from."""

from contextlib import closing
from datetime import UTC, datetime

import click
from flask import current_app
from flask.cli import with_appcontext

from llm_measure.cli.errors import Group
from webapp.cli.reporting import reporting
from webapp.ingest.rebuild import rebuild_days, rebuild_points, rebuild_rankings
from webapp.redis import cache_redis
from webapp.store import connect


@click.group("rebuild", cls=Group, invoke_without_command=True)
@click.pass_context
@with_appcontext
@reporting
def rebuild(context: click.Context) -> None:
    """Derive rollups, hours, days, windows and views again from points.

    An interrupted command is resumed by running it again. The service continues meanwhile.
    """
    if context.invoked_subcommand:
        return
    settings, now = current_app.extensions["settings"], datetime.now(UTC)
    redis = cache_redis(settings)
    days = changed = incomplete = 0
    with closing(connect(settings, "llm-benchmark rebuild")) as conn:
        for found in rebuild_days(conn, redis, settings, now):
            days += 1
            changed += found.changed
            incomplete += found.incomplete
            outcome = f"changed, with the rollups of {found.runs} runs" if found.changed else "right"
            click.echo(f"{found.day}: {outcome}")
        rankings = "changed" if rebuild_rankings(conn, redis, now) else "right"
    click.echo(f"{changed} of {days} days changed; windows, views and totals: {rankings}")
    if incomplete:
        click.echo(f"{incomplete} runs not derived: their points are incomplete; see flask verify")


@rebuild.command("points")
@with_appcontext
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
