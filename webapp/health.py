"""GET /healthz: the process is alive. GET /readyz: what it needs is there, each named."""

from collections.abc import Callable

from alembic.script import ScriptDirectory
from flask import Blueprint, Response, current_app, jsonify
from redis import RedisError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from webapp.extensions import db
from webapp.settings import ROOT

health = Blueprint("health", __name__)

OK = "ok"


@health.get("/healthz")
def healthz() -> Response:
    """Answer as long as the process can answer."""
    return jsonify(status=OK)


@health.get("/readyz")
def readyz() -> tuple[Response, int]:
    """Check database, migrations and Redis; only Redis can be done without."""
    checks = {name: _outcome(check) for name, check in CHECKS.items()}
    able = all(outcome == OK for name, outcome in checks.items() if name != "redis")
    ready = "degraded" if able and checks["redis"] != OK else OK
    return jsonify(status=ready if able else "unavailable", checks=checks), 200 if able else 503


def _outcome(check: Callable[[], str]) -> str:
    try:
        return check()
    except (SQLAlchemyError, RedisError) as error:
        # The class alone: the message may name hosts and users.
        return f"unreachable ({type(error).__name__})"


def _check_database() -> str:
    with db.engine.connect() as connection:
        connection.execute(text("SELECT 1"))
    return OK


def _check_migrations() -> str:
    with db.engine.connect() as connection:
        found = set(connection.execute(text("SELECT version_num FROM alembic_version")).scalars())
    wanted = set(ScriptDirectory(str(ROOT / "migrations")).get_heads())
    return (
        OK if found == wanted else f"at {', '.join(sorted(found)) or 'none'}, not {', '.join(sorted(wanted))}"
    )


def _check_redis() -> str:
    current_app.extensions["redis"].ping()
    return OK


CHECKS = {"database": _check_database, "migrations": _check_migrations, "redis": _check_redis}
