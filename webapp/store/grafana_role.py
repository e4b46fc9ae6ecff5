"""A role of the database that can read what dashboards show, and nothing else."""

from psycopg2 import sql
from psycopg2.extensions import encrypt_password

from webapp.store import Connection

TABLES = ("llms", "metrics", "scenarios", "period_rollups", "metric_means", "metric_quantiles")
# All but the token, which is an attempt's permission to write.
RUN_COLUMNS = (
    *("id", "source", "scenario_id", "llm_id", "slot", "status", "attempts"),
    *("job_id", "started_at", "finished_at", "points", "error", "generation"),
)
# What the quantiles of a run are computed from.
ROLLUP_COLUMNS = ("run_id", "metric_id", "n", "min", "max", "histogram")
# The role can neither write, nor block others for long, nor take all connections.
PARAMETERS = {"default_transaction_read_only": "on", "statement_timeout": "30s", "lock_timeout": "5s"}
CONNECTIONS = 20


def make_reader(conn: Connection, name: str, password: str) -> None:
    """Create the role `name`, or reset its password, limits and rights."""
    role = sql.Identifier(name)
    # Hashed here, so that the password is in no log of the server.
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
        for parameter, value in PARAMETERS.items():
            run(
                "ALTER ROLE {role} SET {parameter} = {value}",
                parameter=sql.SQL(parameter),
                value=sql.Literal(value),
            )
        run("REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {role}")
        run("GRANT SELECT ON {tables} TO {role}", tables=_listed(TABLES))
        run("GRANT SELECT ({columns}) ON runs TO {role}", columns=_listed(RUN_COLUMNS))
        run("GRANT SELECT ({columns}) ON rollups TO {role}", columns=_listed(ROLLUP_COLUMNS))


def _listed(names: tuple[str, ...]) -> sql.Composable:
    return sql.SQL(", ").join(map(sql.Identifier, names))
