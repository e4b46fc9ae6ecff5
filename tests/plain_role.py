"""The role under which tests run the product: no superuser, and with a schema that is not public."""

from contextlib import closing

from tests.support import run_sql
from webapp.settings import Settings
from webapp.store import connect

ROLE = "llm_benchmark_tests"
SCHEMA = "benchmark"
ENSURE_ROLE = """
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN
        CREATE ROLE {role} LOGIN PASSWORD '{password}';
    END IF;
END $$;
ALTER ROLE {role} SET search_path = {schema};
"""
MAKE_SCHEMA = """
REVOKE ALL ON SCHEMA public FROM PUBLIC;
CREATE SCHEMA {schema} AUTHORIZATION {role};
"""


def plain(server_environment: dict[str, str], database: str) -> dict[str, str]:
    """The settings for a database under the plain role."""
    return {
        **server_environment,
        "POSTGRES_USER": ROLE,
        "POSTGRES_DB": database,
        "TEST_SUPERUSER": server_environment["POSTGRES_USER"],
    }


def create_database(server_environment: dict[str, str], name: str, template: str | None = None) -> None:
    """Create a database for the plain role: a copy of the template, or an empty one with its schema."""
    run_sql(server_environment, f"CREATE DATABASE {name}" + (f" TEMPLATE {template}" if template else ""))
    if template:
        return
    password = server_environment.get("POSTGRES_PASSWORD", "")
    names = {"role": ROLE, "schema": SCHEMA, "password": password}
    run_sql(server_environment, ENSURE_ROLE.format(**names))
    with (
        closing(connect(Settings.from_env({**server_environment, "POSTGRES_DB": name}))) as conn,
        conn,
        conn.cursor() as cursor,
    ):
        cursor.execute(MAKE_SCHEMA.format(**names))
