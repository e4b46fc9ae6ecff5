"""`flask grafana-reader`: a role of the database that can read what dashboards show and nothing else.

A command and no migration: roles belong to the whole server, not to one database, need a password, and
making them needs a right that the migrations' own role may not have. Running it again sets everything anew.
"""

import re

import click
import psycopg2
from flask import current_app
from flask.cli import with_appcontext
from psycopg2 import sql
from psycopg2.extensions import encrypt_password

from llm_measure.cli.errors import Command, CommandError
from webapp.settings import Settings
from webapp.store import Connection, connect

ROLE_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")
TABLES = ("llms", "metrics", "scenarios", "period_rollups", "metric_means", "metric_quantiles")
# Without the token, with which an attempt proves that it may write.
RUN_COLUMNS = (
    *("id", "source", "scenario_id", "llm_id", "slot", "status", "attempts"),
    *("job_id", "started_at", "finished_at", "points", "error", "generation"),
)
# A reader can neither write, nor hold up others, nor take all connections.
LIMITS = {"default_transaction_read_only": "on", "statement_timeout": "30s", "lock_timeout": "5s"}
CONNECTIONS = 20


@click.command("grafana-reader", cls=Command)
@with_appcontext
def grafana_reader() -> None:
    """Make the read-only role for Grafana, named GRAFANA_DB_USER, with GRAFANA_DB_PASSWORD."""
    settings: Settings = current_app.extensions["settings"]
    name, password = settings.grafana_db_user, settings.grafana_db_password
    if not ROLE_NAME.fullmatch(name) or name == settings.postgres_user:
        raise CommandError(
            f"setting GRAFANA_DB_USER={name!r}: must be a name of a-z, 0-9 and _, and not POSTGRES_USER"
        )
    if not password:
        raise CommandError("setting GRAFANA_DB_PASSWORD='': must be the password that the role shall have")
    try:
        conn = connect(settings, "llm-benchmark grafana-reader")
        with conn:
            make_reader(conn, name, password)
        conn.close()
    except psycopg2.Error as error:
        raise CommandError(f"the role cannot be made: {str(error).strip().splitlines()[0]}") from None
    click.echo(f"{name} may read, and only read, what the dashboards show")


def make_reader(conn: Connection, name: str, password: str) -> None:
    """Make or mend the role `name`; the caller commits."""
    role = sql.Identifier(name)
    # Hashed here, so that no log of the server can hold it.
    hashed = sql.Literal(encrypt_password(password, name, conn, "scram-sha-256"))
    with conn.cursor() as cursor:

        def run(statement: str, **parts: sql.Composable) -> None:
            cursor.execute(sql.SQL(statement).format(role=role, **parts))

        cursor.execute("SELECT FROM pg_roles WHERE rolname = %s", (name,))
        if cursor.rowcount == 0:
            run("CREATE ROLE {role}")
        run(
            "ALTER ROLE {role} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION"
            " CONNECTION LIMIT {limit} PASSWORD {password}",
            limit=sql.Literal(CONNECTIONS),
            password=hashed,
        )
        for limit, value in LIMITS.items():
            run("ALTER ROLE {role} SET {limit} = {value}", limit=sql.SQL(limit), value=sql.Literal(value))
        run("REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {role}")
        run("GRANT SELECT ON {tables} TO {role}", tables=_listed(TABLES))
        run("GRANT SELECT ({columns}) ON runs TO {role}", columns=_listed(RUN_COLUMNS))


def _listed(names: tuple[str, ...]) -> sql.Composable:
    return sql.SQL(", ").join(map(sql.Identifier, names))
