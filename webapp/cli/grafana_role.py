"""`flask grafana-reader`: make the database role that Grafana reads with.

This is a command and not a migration: a role belongs to the whole server, needs a password, and creating it
takes a right that the migrations' role may lack. Running it again resets everything that it may set.
"""

import re
from contextlib import closing

import click
from flask import current_app
from flask.cli import with_appcontext

from llm_measure.cli.errors import Command, CommandError
from webapp.cli.reporting import reporting
from webapp.settings import Settings
from webapp.store import connect
from webapp.store.grafana_role import UnusableRoleError, make_reader

ROLE_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")


@click.command("grafana-reader", cls=Command)
@click.option(
    "--if-permitted",
    is_flag=True,
    help="Exit with 0 even if the role cannot be made, after a line that says why.",
)
@with_appcontext
def grafana_reader(if_permitted: bool) -> None:
    """Make the read-only role for Grafana, named GRAFANA_DB_USER, with GRAFANA_DB_PASSWORD.

    Needs the right CREATEROLE, unless a role of that name exists already.
    """
    try:
        _make(current_app.extensions["settings"])
    except CommandError as error:
        if not if_permitted:
            raise
        click.echo(f"no role for Grafana: {error.message}", err=True)


@reporting
def _make(settings: Settings) -> None:
    name, password = settings.grafana_db_user, settings.grafana_db_password
    if not ROLE_NAME.fullmatch(name) or name == settings.postgres_user:
        raise CommandError(
            f"setting GRAFANA_DB_USER={name!r}: must be a name of a-z, 0-9 and _ other than POSTGRES_USER"
        )
    if not password:
        raise CommandError("setting GRAFANA_DB_PASSWORD='': must be the password of the role")
    with closing(connect(settings, "llm-benchmark grafana-reader")) as conn:
        try:
            is_set_up = make_reader(conn, name, password)
        except UnusableRoleError as error:
            raise CommandError(str(error)) from None
        conn.commit()
    click.echo(f"{name} may read, and only read, what the dashboards show")
    if not is_set_up:
        click.echo(
            f"{name} keeps its password, limits and search_path: changing them needs CREATEROLE, and the"
            f" ADMIN OPTION on {name}"
        )
