"""GET /healthz: the process is alive. GET /readyz: database, migrations and Redis, each checked."""

from collections.abc import Callable

from flask import Response, current_app, jsonify
from flask_smorest import Blueprint
from marshmallow import Schema, fields
from redis import RedisError, ResponseError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from webapp import schema_version
from webapp.extensions import db
from webapp.settings import SHORTEST_KEY

health = Blueprint("health", __name__, description="Liveness and readiness")

OK = "ok"
WEAK = f"weak: shorter than {SHORTEST_KEY} characters"
# Written to find out whether Redis accepts writes.
WRITTEN, WRITTEN_SECONDS = "llm-benchmark:ready", 60
SKIPPED = "unknown: database unreachable"


class AliveSchema(Schema):
    """The liveness of the process."""

    status = fields.String(required=True, metadata={"description": "Always ok", "example": OK})


class ReadySchema(Schema):
    """The readiness of the API, with the outcome of each check."""

    status = fields.String(
        required=True,
        metadata={
            "enum": [OK, "degraded", "unavailable"],
            "description": "degraded: slower, since Redis is unreachable or refuses writes",
            "example": OK,
        },
    )
    checks = fields.Dict(
        keys=fields.String(),
        values=fields.String(),
        required=True,
        metadata={
            "description": "ok, or the problem, by name of the check",
            "example": {"database": OK, "migrations": OK, "redis": OK, "api_key": OK},
        },
    )


@health.get("/healthz")
@health.doc(operationId="healthz")
@health.response(200, AliveSchema, description="The process is alive")
def healthz() -> Response:
    """Check liveness.

    Needs neither database nor Redis.
    """
    return jsonify(status=OK)


@health.get("/readyz")
@health.doc(operationId="readyz")
@health.response(200, ReadySchema, description="Ready, or degraded while Redis is unreachable")
@health.alt_response(
    503, schema=ReadySchema, description="The database is unreachable, or its migrations are behind"
)
def readyz() -> tuple[Response, int]:
    """Check readiness.

    Checks database, migrations, Redis and the length of the API keys. The API works without Redis and with a
    weak key, but not without the other two.
    """
    database = _outcome(_check_database)
    checks = {
        "database": database,
        "migrations": _outcome(_check_migrations) if database == OK else SKIPPED,
        "redis": _outcome(_check_redis),
        "api_key": _check_api_key(),
    }
    if checks["migrations"] != OK:
        return jsonify(status="unavailable", checks=checks), 503
    return jsonify(status=OK if checks["redis"] == OK else "degraded", checks=checks), 200


def _outcome(check: Callable[[], str]) -> str:
    try:
        return check()
    except (SQLAlchemyError, RedisError) as error:
        # The class alone, since the message may name hosts and users.
        return f"unreachable ({type(error).__name__})"


def _check_database() -> str:
    with db.engine.connect() as connection:
        connection.execute(text("SELECT 1"))
    return OK


def _check_migrations() -> str:
    """Accept a newer schema, too: during an upgrade, the old program serves until the new one is ready."""
    with db.engine.connect() as connection:
        found = schema_version.found(connection)
    wanted = schema_version.wanted()
    return (
        OK
        if found == wanted or schema_version.is_newer(found)
        else f"at {_named(found)}; expected {_named(wanted)}"
    )


def _named(revisions: frozenset[str]) -> str:
    return ", ".join(sorted(revisions)) or "none"


def _check_api_key() -> str:
    return WEAK if current_app.extensions["settings"].has_short_key else OK


def _check_redis() -> str:
    try:
        current_app.extensions["redis"].set(WRITTEN, 1, ex=WRITTEN_SECONDS)
    except ResponseError as error:  # such as a full memory, or a read-only replica
        return f"refuses writes ({type(error).__name__})"
    return OK
