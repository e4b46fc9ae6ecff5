"""What a database must be, and what its role must be allowed to do there; each problem is named."""

from webapp.store import Connection
from webapp.store.partitions import DAILY
from webapp.store.views import VIEWS

OLDEST_MAJOR = 17
ENCODING = "UTF8"
TABLES = (
    *("alembic_version", "ended_sessions", "generation", "llms", "metrics", "period_rollups", "rollups"),
    *("run_shards", "run_totals", "runs", "scenarios", "self_checks", *DAILY),
    *("availability", "changes", "incident_events", "incidents", "messages", "signals", "watched_series"),
)
# In the server's message, since a failed connection has no SQLSTATE.
CONNECT_DENIED = "permission denied for database"
SERVER = """
SELECT
    current_setting('server_version_num')::integer / 10000,
    split_part(current_setting('server_version'), ' ', 1),
    current_setting('server_encoding')
"""
# The schemas of search_path that exist but are skipped, since their objects may not be used.
CLOSED_SCHEMAS = """
SELECT nspname
FROM unnest(
    string_to_array(replace(current_setting('search_path'), '"$user"', quote_ident(current_user)), ',')
) AS named (name)
JOIN pg_namespace ON quote_ident(nspname) = trim(name)
WHERE NOT has_schema_privilege(pg_namespace.oid, 'USAGE')
"""
SCHEMA = """
SELECT
    current_setting('search_path'),
    current_schema(),
    has_schema_privilege(current_schema(), 'CREATE'),
    (SELECT relnamespace::regnamespace::text FROM pg_class WHERE oid = to_regclass('alembic_version'))
"""
# Partitions are created, attached and dropped, and tables are changed, by their owners alone.
NOT_OWNED = """
SELECT relname
FROM unnest(%(tables)s || %(views)s) AS ours (name)
JOIN pg_class ON pg_class.oid = to_regclass(name)
WHERE NOT pg_has_role(relowner, 'USAGE')
ORDER BY relname
"""
# An owner may have been denied the use of what it owns.
DENIED = """
SELECT needed_right, array_agg(name ORDER BY name)
FROM (
    SELECT name, needed_right
    FROM unnest(%(tables)s) AS ours (name)
    CROSS JOIN unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS needed_right
    UNION ALL
    SELECT name, needed_right
    FROM unnest(%(views)s) AS ours (name)
    CROSS JOIN unnest(ARRAY['SELECT', 'MAINTAIN']) AS needed_right
) AS needed
WHERE to_regclass(name) IS NOT NULL AND NOT has_table_privilege(to_regclass(name), needed_right)
GROUP BY needed_right
ORDER BY needed_right
"""


def unsuitable(conn: Connection) -> list[str]:
    """Return why the database cannot be used at all, by its server's version and its encoding."""
    with conn.cursor() as cursor:
        cursor.execute(SERVER)
        major, version, encoding = cursor.fetchone()
    problems = []
    if major < OLDEST_MAJOR:
        problems.append(f"PostgreSQL {version}: too old; expected {OLDEST_MAJOR} or newer")
    if encoding != ENCODING:
        problems.append(
            f"encoding {encoding}: cannot store every text; expected {ENCODING}"
            f" (CREATE DATABASE ... TEMPLATE template0 ENCODING '{ENCODING}')"
        )
    return problems


def missing_rights(conn: Connection) -> list[str]:
    """Return what the role lacks of schema, tables and views, as far as they exist."""
    return _missing_in_schema(conn) or _missing_on_tables(conn)


def _missing_in_schema(conn: Connection) -> list[str]:
    with conn.cursor() as cursor:
        cursor.execute(CLOSED_SCHEMAS)
        closed = [
            f"schema {schema}: no USAGE; expected the rights USAGE and CREATE"
            for (schema,) in cursor.fetchall()
        ]
        cursor.execute(SCHEMA)
        search_path, schema, may_create, schema_of_tables = cursor.fetchone()
    if closed and schema_of_tables is None:
        return closed
    if schema is None:
        return [f"search_path={search_path}: names no existing schema; expected the one for the tables"]
    if schema_of_tables not in (None, schema):
        return [
            f"search_path={search_path}: new tables would be created in schema {schema};"
            f" expected {schema_of_tables}, which has the tables"
        ]
    return [] if may_create else [f"schema {schema}: no CREATE; expected the rights USAGE and CREATE"]


def _missing_on_tables(conn: Connection) -> list[str]:
    arguments = {"tables": list(TABLES), "views": list(VIEWS)}
    with conn.cursor() as cursor:
        cursor.execute(NOT_OWNED, arguments)
        not_owned = ", ".join(name for (name,) in cursor.fetchall())
        if not_owned:
            return [f"{not_owned}: owned by another role; expected this one, or one that it inherits from"]
        cursor.execute(DENIED, arguments)
        return [f"{', '.join(names)}: no {right}; expected that right" for right, names in cursor.fetchall()]
