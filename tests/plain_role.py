"""The role under which tests run the product: no superuser, and with a schema that is not public."""

from contextlib import closing

from tests.support import as_superuser, run_sql
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


def plain(environment: dict[str, str], database: str) -> dict[str, str]:
    """The settings for a database under the plain role."""
    superuser = as_superuser(environment)["POSTGRES_USER"]
    return {**environment, "POSTGRES_USER": ROLE, "POSTGRES_DB": database, "TEST_SUPERUSER": superuser}


def create_database(environment: dict[str, str], name: str, template: str | None = None) -> None:
    """Create a database for the plain role: a copy of the template, or an empty one with its schema."""
    run_sql(
        environment,
        f"CREATE DATABASE {name}" + (f" TEMPLATE {template} STRATEGY FILE_COPY" if template else ""),
    )
    if template:
        return
    names = {"role": ROLE, "schema": SCHEMA, "password": environment.get("POSTGRES_PASSWORD", "")}
    run_sql(environment, ENSURE_ROLE.format(**names))
    settings = Settings.from_env({**as_superuser(environment), "POSTGRES_DB": name})
    with closing(connect(settings)) as conn, conn, conn.cursor() as cursor:
        cursor.execute(MAKE_SCHEMA.format(**names))
