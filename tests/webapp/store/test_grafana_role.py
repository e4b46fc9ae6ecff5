"""The role for Grafana, made with CREATEROLE alone, or beforehand by somebody else."""

from contextlib import closing
from dataclasses import replace

import psycopg2
import pytest

from tests.plain_role import ROLE, SCHEMA
from tests.support import administering, query
from tests.web import show_run
from webapp.store import connect
from webapp.store.grafana_role import UnusableRoleError, make_reader

NAME, PASSWORD = "reader_of_a_test", "its-password"


@pytest.fixture
def dba(superuser):
    """Runs statements as a database administrator, who drops the reader in the end."""
    run = administering(superuser)
    yield run
    run(f"DO $$ BEGIN IF to_regrole('{NAME}') IS NOT NULL THEN DROP OWNED BY {NAME}; END IF; END $$")
    run(f"DROP ROLE IF EXISTS {NAME}")


@pytest.fixture
def make(conn, dba):
    def make() -> bool:
        with conn:
            return make_reader(conn, NAME, PASSWORD)

    return make


@pytest.fixture
def as_reader(settings):
    """Runs a query with the reader's own connection."""

    def run(statement: str) -> list[tuple]:
        with closing(connect(replace(settings, postgres_user=NAME, postgres_password=PASSWORD))) as conn:
            return query(conn, statement)

    return run


def test_with_createrole_alone_it_reads_our_schema_and_writes_nothing(
    make, as_reader, may_create_roles, settings, redis
):
    show_run(settings, redis, 0)

    assert make() is True

    assert as_reader("SELECT current_setting('search_path'), count(*) > 0 FROM metric_means GROUP BY 1") == [
        (SCHEMA, True)
    ]
    assert as_reader("SELECT current_setting('transaction_read_only')") == [("on",)]
    for statement in ("DELETE FROM runs", "CREATE TABLE mine (a integer)", "UPDATE llms SET name = 'x'"):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            as_reader(f"SET TRANSACTION READ WRITE; {statement}")


def test_made_again_it_keeps_no_other_right_on_our_tables(make, may_create_roles, conn):
    make()
    with conn, conn.cursor() as cursor:
        cursor.execute(f"GRANT ALL ON points TO {NAME}")

    make()

    assert query(conn, f"SELECT has_table_privilege('{NAME}', 'points', 'SELECT')") == [(False,)]


def test_tables_of_others_in_the_same_schema_keep_their_grants(make, may_create_roles, dba, conn):
    dba("CREATE TABLE benchmark.of_others ()")
    make()
    dba(f"GRANT SELECT ON benchmark.of_others TO {NAME}")

    make()

    assert query(conn, f"SELECT has_table_privilege('{NAME}', 'of_others', 'SELECT')") == [(True,)]


def test_without_createrole_the_right_and_the_remedy_are_named(make):
    with pytest.raises(
        UnusableRoleError, match=f"role {NAME}: does not exist, and making it needs CREATEROLE; "
    ):
        make()


@pytest.mark.parametrize("right", ["", "CREATEROLE"])
def test_a_role_made_beforehand_gets_its_rights_without_admin_option(make, dba, as_reader, right):
    dba(f"CREATE ROLE {NAME} LOGIN PASSWORD '{PASSWORD}' CONNECTION LIMIT 3")
    dba(f"ALTER ROLE {NAME} SET search_path = {SCHEMA}")
    dba(f"ALTER ROLE {ROLE} {right}")
    try:
        assert make() is False
    finally:
        dba(f"ALTER ROLE {ROLE} NOCREATEROLE")

    assert as_reader("SELECT count(*) FROM metric_means") == [(0,)]
    assert as_reader(f"SELECT rolconnlimit FROM pg_roles WHERE rolname = '{NAME}'") == [(3,)]


def test_a_role_made_beforehand_is_set_up_with_admin_option(make, dba, as_reader, may_create_roles):
    dba(f"CREATE ROLE {NAME}")
    dba(f"GRANT {NAME} TO {ROLE} WITH ADMIN OPTION")

    assert make() is True

    assert as_reader("SELECT count(*) FROM metric_means") == [(0,)]


@pytest.mark.parametrize("attribute", ["SUPERUSER", "CREATEROLE", "CREATEDB", "REPLICATION", "BYPASSRLS"])
def test_a_role_that_can_do_more_than_read_is_refused(make, dba, attribute):
    dba(f"CREATE ROLE {NAME} LOGIN {attribute}")

    with pytest.raises(UnusableRoleError, match=f"role {NAME}: has {attribute}; expected none of these"):
        make()


def test_a_role_that_may_write_through_another_one_is_refused(make, dba):
    dba(f"CREATE ROLE {NAME} LOGIN IN ROLE pg_write_all_data")

    with pytest.raises(
        UnusableRoleError, match=f"role {NAME}: may write alembic_version, .* of which it is a"
    ):
        make()


def test_a_role_that_may_not_log_in_or_connect_is_refused(make, dba, settings):
    dba(f"CREATE ROLE {NAME}")
    with pytest.raises(UnusableRoleError, match="has no LOGIN"):
        make()

    dba(f"ALTER ROLE {NAME} LOGIN")
    dba(f"REVOKE CONNECT ON DATABASE {settings.postgres_db} FROM PUBLIC")
    dba(f"GRANT CONNECT ON DATABASE {settings.postgres_db} TO {ROLE}")
    with pytest.raises(UnusableRoleError, match=f"has no CONNECT on database {settings.postgres_db}"):
        make()
