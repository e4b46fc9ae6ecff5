"""What holds for every function of the store."""

import ast
import os
import socket
from contextlib import closing
from pathlib import Path

import pytest

from tests.pooler import pooled
from tests.tools import needs
from webapp import store
from webapp.settings import Settings
from webapp.store import connect, storable

MODULES = sorted(Path(store.__file__).parent.glob("*.py"))
# Each ends the caller's transaction, as does leaving `with conn:`.
ENDING = {"commit", "rollback", "autocommit", "set_session"}


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.stem)
def test_no_function_ends_the_callers_transaction(module):
    tree = ast.parse(module.read_text())
    used = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    entered = {
        item.context_expr.id
        for node in ast.walk(tree)
        if isinstance(node, ast.With)
        for item in node.items
        if isinstance(item.context_expr, ast.Name)
    }

    # An export opens a connection for itself and reads it only.
    assert used & ENDING <= ({"set_session"} if module.stem == "export" else set())
    assert entered == set()


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("nul \0 here", "nul \ufffd here"),
        ("half \ud83d of a pair", "half ? of a pair"),
        ("日本 \U0001f600\n", "日本 \U0001f600\n"),
    ],
)
def test_text_is_stored_without_what_postgresql_refuses(conn, text, stored):
    assert storable(text) == stored
    with conn.cursor() as cursor:
        cursor.execute("SELECT %s", (storable(text),))
        assert cursor.fetchone() == (stored,)


@needs("pgbouncer")
def test_the_kernel_gives_up_data_that_is_not_acknowledged_within_half_a_minute(environment, folder, counter):
    """By default it repeats them for a quarter of an hour, during which a commit would wait."""
    with (
        pooled(environment, folder / f"tcp-{next(counter)}") as through,
        closing(connect(Settings.from_env(through))) as conn,
        socket.socket(fileno=os.dup(conn.fileno())) as copy,
    ):
        assert 0 < copy.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) <= 30_000
