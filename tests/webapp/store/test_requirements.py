"""What of a database is refused, and which missing right is named, on real servers."""

from contextlib import closing

import pytest

from tests.plain_role import ROLE, SCHEMA
from tests.support import administering, query, run_sql
from webapp.settings import Settings
from webapp.store import connect
from webapp.store.requirements import TABLES, missing_rights, unsuitable
from webapp.store.views import VIEWS

RELATIONS = """
SELECT relname FROM pg_class
WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p', 'm') AND NOT relispartition
"""


@pytest.fixture
def dba(superuser):
    """Runs statements as a database administrator."""
    run = administering(superuser)
    run(f"SET search_path = {SCHEMA}")
    return run


def test_every_table_and_view_is_checked(conn):
    assert {name for (name,) in query(conn, RELATIONS)} == {*TABLES, *VIEWS}


def test_nothing_is_missing_in_a_migrated_database_nor_in_an_empty_one(conn, dba):
    assert (unsuitable(conn), missing_rights(conn)) == ([], [])
    dba(f"DROP OWNED BY {ROLE}; CREATE SCHEMA {SCHEMA} AUTHORIZATION {ROLE}")

    assert missing_rights(conn) == []


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_an_encoding_that_cannot_store_every_text_is_named(environment, counter, encoding):
    name = f"encoded_{next(counter)}"
    run_sql(environment, f"CREATE DATABASE {name} TEMPLATE template0 ENCODING '{encoding}' LOCALE 'C'")
    try:
        with closing(connect(Settings.from_env({**environment, "POSTGRES_DB": name}))) as conn:
            (problem,) = unsuitable(conn)
    finally:
        run_sql(environment, f"DROP DATABASE {name} WITH (FORCE)")

    assert problem.startswith(f"encoding {encoding}: cannot store every text; expected UTF8 ")


DENIALS = {
    "REVOKE CREATE ON SCHEMA {schema} FROM {role}": (
        "schema {schema}: no CREATE; expected the rights USAGE and CREATE"
    ),
    "ALTER SCHEMA {schema} OWNER TO CURRENT_USER": (
        "schema {schema}: no USAGE; expected the rights USAGE and CREATE"
    ),
    "REVOKE UPDATE ON runs, llms FROM {role}": "llms, runs: no UPDATE; expected that right",
    "REVOKE INSERT ON points FROM {role}": "points: no INSERT; expected that right",
    "REVOKE MAINTAIN ON metric_means FROM {role}": "metric_means: no MAINTAIN; expected that right",
    "ALTER TABLE points OWNER TO CURRENT_USER": (
        "points: owned by another role; expected this one, or one that it inherits from"
    ),
    "ALTER ROLE {role} IN DATABASE {database} SET search_path = nowhere": (
        "search_path=nowhere: names no existing schema; expected the one for the tables"
    ),
    "CREATE SCHEMA early AUTHORIZATION {role};"
    " ALTER ROLE {role} IN DATABASE {database} SET search_path = early, {schema}": (
        "search_path=early, {schema}: new tables would be created in schema early;"
        " expected {schema}, which has the tables"
    ),
}


@pytest.mark.parametrize("statement", DENIALS)
def test_a_missing_right_is_named(settings, dba, statement):
    names = {"role": ROLE, "schema": SCHEMA, "database": settings.postgres_db}
    for each in statement.format(**names).split(";"):
        dba(each)

    with closing(connect(settings)) as conn:
        assert missing_rights(conn) == [DENIALS[statement].format(**names)]


def test_the_rights_of_an_inherited_role_suffice(settings, dba, environment):
    dba("CREATE ROLE heir_of_a_test LOGIN")
    try:
        dba(f"ALTER ROLE heir_of_a_test SET search_path = {SCHEMA}")
        dba(f"GRANT {ROLE} TO heir_of_a_test")
        heir = Settings.from_env({**environment, "POSTGRES_USER": "heir_of_a_test"})
        with closing(connect(heir)) as conn:
            assert missing_rights(conn) == []
    finally:
        dba("DROP ROLE heir_of_a_test")
