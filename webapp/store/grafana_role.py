"""A role of the database that can read what dashboards show, and nothing else."""

from psycopg2 import sql
from psycopg2.extensions import encrypt_password

from webapp.store import Connection

TABLES = (
    *("llms", "metrics", "scenarios", "period_rollups", "metric_means", "metric_quantiles"),
    *("changes", "incidents", "signals", "availability"),
)
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
# Key of the advisory lock under which the role is made, since concurrent GRANTs on the same table fail.
ROLE_LOCK = 7_205_006

PLACE = """
SELECT current_database(), nspname
FROM pg_class
JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE pg_class.oid = 'metric_means'::regclass
"""
# Attributes with which a role can do more than read; only a superuser may remove most of them.
FOUND = """
SELECT array_remove(ARRAY[
    CASE WHEN rolsuper THEN 'SUPERUSER' END,
    CASE WHEN rolcreaterole THEN 'CREATEROLE' END,
    CASE WHEN rolcreatedb THEN 'CREATEDB' END,
    CASE WHEN rolreplication THEN 'REPLICATION' END,
    CASE WHEN rolbypassrls THEN 'BYPASSRLS' END
], NULL)
FROM pg_roles
WHERE rolname = %(role)s
"""
MAY_CREATE = "SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user"
MAY_ALTER = """
SELECT mine.rolsuper OR mine.rolcreaterole AND pg_has_role(reader.oid, 'MEMBER WITH ADMIN OPTION')
FROM pg_roles AS mine, pg_roles AS reader
WHERE mine.rolname = current_user AND reader.rolname = %(role)s
"""
# In a schema that others use, too, their tables are none of ours.
OURS = """
SELECT relname
FROM pg_class
WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = %(schema)s)
  AND relkind IN ('r', 'p', 'm')
  AND pg_has_role(relowner, 'USAGE')
"""
# By a right of PUBLIC, or of a role of which it is a member.
WRITABLE = f"""
{OURS}
  AND (
    has_table_privilege(%(role)s, oid, 'INSERT, UPDATE, DELETE, TRUNCATE')
    OR relkind <> 'm' AND has_any_column_privilege(%(role)s, oid, 'INSERT, UPDATE')
  )
ORDER BY relname
"""
MAY_CONNECT = """
SELECT rolcanlogin, has_database_privilege(oid, %(database)s, 'CONNECT')
FROM pg_roles
WHERE rolname = %(role)s
"""


class UnusableRoleError(Exception):
    """The role cannot be made, or can do more than read; the message is one line."""


def make_reader(conn: Connection, name: str, password: str) -> bool:
    """Create the role `name`, or reset its password, limits and rights; return whether all were set.

    Where somebody else has made the role, its password, limits and search_path can only be set by a role with
    CREATEROLE and the ADMIN OPTION on it: without these, its rights alone are set, and False is returned.
    Raises UnusableRoleError.
    """
    with conn.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", (ROLE_LOCK,))
        cursor.execute(PLACE)
        database, schema = cursor.fetchone()
    reader = _Reader(conn, name, database, schema)
    reader.ensure()
    may_alter = reader.value(MAY_ALTER)
    if may_alter:
        reader.set_up(password)
    reader.grant()
    reader.check()
    return may_alter


class _Reader:
    """The role, in the database and the schema that it reads."""

    def __init__(self, conn: Connection, name: str, database: str, schema: str):
        self._conn = conn
        self._names = {"role": name, "database": database, "schema": schema}
        self._identifiers = {key: sql.Identifier(value) for key, value in self._names.items()}

    def ensure(self) -> None:
        """Create the role if it does not exist; refuse one that can do more than read."""
        name = self._names["role"]
        found = self._rows(FOUND)
        if found:
            ((attributes,),) = found
            if attributes:
                raise UnusableRoleError(f"role {name}: has {', '.join(attributes)}; expected none of these")
        elif self.value(MAY_CREATE):
            self._run("CREATE ROLE {role}")
        else:
            raise UnusableRoleError(
                f"role {name}: does not exist, and making it needs CREATEROLE; expected that right,"
                f" or a role that was made before (CREATE ROLE {name} LOGIN PASSWORD ...)"
            )

    def set_up(self, password: str) -> None:
        """Set password, limits and search_path."""
        # Hashed here, so that the password is in no log of the server.
        hashed = encrypt_password(password, self._names["role"], self._conn, "scram-sha-256")
        self._run(
            "ALTER ROLE {role} LOGIN CONNECTION LIMIT {limit} PASSWORD {password}",
            limit=sql.Literal(CONNECTIONS),
            password=sql.Literal(hashed),
        )
        for parameter, value in PARAMETERS.items():
            self._run(
                "ALTER ROLE {role} SET {parameter} = {value}",
                parameter=sql.SQL(parameter),
                value=sql.Literal(value),
            )
        self._run("ALTER ROLE {role} IN DATABASE {database} SET search_path = {schema}")

    def grant(self) -> None:
        """Grant what dashboards read, and revoke what else was granted on our tables."""
        ours = tuple(name for (name,) in self._rows(OURS))
        self._run("REVOKE ALL ON {tables} FROM {role}", tables=self._in_schema(ours))
        self._run("GRANT USAGE ON SCHEMA {schema} TO {role}")
        self._run("GRANT SELECT ON {tables} TO {role}", tables=self._in_schema(TABLES))
        for table, columns in (("runs", RUN_COLUMNS), ("rollups", ROLLUP_COLUMNS)):
            self._run(
                "GRANT SELECT ({columns}) ON {table} TO {role}",
                columns=sql.SQL(", ").join(map(sql.Identifier, columns)),
                table=self._in_schema((table,)),
            )

    def check(self) -> None:
        """Raise UnusableRoleError unless the role can log in here, and write nothing."""
        name, database = self._names["role"], self._names["database"]
        ((may_log_in, may_connect),) = self._rows(MAY_CONNECT)
        if not may_log_in:
            raise UnusableRoleError(f"role {name}: has no LOGIN; expected it")
        if not may_connect:
            raise UnusableRoleError(
                f"role {name}: has no CONNECT on database {database}; expected that right"
            )
        writable = ", ".join(table for (table,) in self._rows(WRITABLE))
        if writable:
            raise UnusableRoleError(
                f"role {name}: may write {writable}; expected no such right of PUBLIC,"
                " or of a role of which it is a member"
            )

    def value(self, query: str) -> bool:
        """Return the only value that the query gives."""
        ((value,),) = self._rows(query)
        return value

    def _rows(self, query: str) -> list[tuple]:
        with self._conn.cursor() as cursor:
            cursor.execute(query, self._names)
            return cursor.fetchall()

    def _run(self, statement: str, **parts: sql.Composable) -> None:
        with self._conn.cursor() as cursor:
            cursor.execute(sql.SQL(statement).format(**self._identifiers, **parts))

    def _in_schema(self, tables: tuple[str, ...]) -> sql.Composable:
        return sql.SQL(", ").join(sql.Identifier(self._names["schema"], table) for table in tables)
