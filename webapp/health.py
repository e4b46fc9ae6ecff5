"""GET /healthz: the process is alive. GET /readyz: what it depends on, each checked and named."""

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

import psycopg2
from flask import Response, current_app, jsonify
from flask_smorest import Blueprint
from marshmallow import Schema, fields
from redis import RedisError, ResponseError
from sqlalchemy.exc import SQLAlchemyError

from webapp import schema_version
from webapp.extensions import db
from webapp.plan.shared import reported
from webapp.queue.workers import unserved_regions
from webapp.redis import ReplicaError
from webapp.redis.server import server_fault
from webapp.settings import SHORTEST_KEY, Settings
from webapp.store import clock, requirements
from webapp.store.emptied import emptied
from webapp.store.retention import rollups_expired
from webapp.store.transactions import is_read_only
from webapp.store.unshown import failing_since

health = Blueprint("health", __name__, description="Liveness and readiness")

OK = "ok"
WEAK = f"weak: shorter than {SHORTEST_KEY} characters"
# Written to find out whether Redis accepts writes.
WRITTEN, WRITTEN_SECONDS = "llm-benchmark:ready", 60
READ_ONLY = "read-only"
CHECKS = [
    "database",
    "rights",
    "migrations",
    "data",
    "refresh",
    "redis",
    "clock",
    "api_key",
    "benchmark_file",
    "regions",
]
SKIPPED = "unknown: database unreachable or unsuitable"
SKIPPED_DATA = "unknown: database unreachable, unsuitable or not migrated"


class AliveSchema(Schema):
    """The liveness of the process."""

    status = fields.String(required=True, metadata={"description": "Always ok", "example": OK})


class ReadySchema(Schema):
    """The readiness of the API, with the outcome of each check."""

    status = fields.String(
        required=True,
        metadata={
            "enum": [OK, "degraded", "unavailable"],
            "description": "degraded: a check other than migrations and api_key has failed",
            "example": OK,
        },
    )
    checks = fields.Dict(
        keys=fields.String(),
        values=fields.String(),
        required=True,
        metadata={
            "description": "ok, or the problem, by name of the check",
            "example": dict.fromkeys(CHECKS, OK),
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
@health.response(200, ReadySchema, description="Ready, or degraded: see the checks")
@health.alt_response(
    503,
    schema=ReadySchema,
    description="The database is unreachable, unsuitable or not migrated",
)
def readyz() -> tuple[Response, int]:
    """Check readiness.

    Checks the database with its version and encoding, the rights there, migrations, Redis, clocks, the length
    of the API keys, the benchmark file, the workers of its regions, and whether what is derived from runs is
    there and what has ended is shown. The API works without Redis, with a weak key, with some rights missing,
    with a faulty benchmark file, without workers, and with a database that is read-only, as after a failover,
    but not without database and migrations.
    """
    database = _outcome(_check_database)
    migrations = _outcome(_check_migrations) if database == OK else SKIPPED
    checks = {
        "database": database,
        "rights": _outcome(_check_rights) if database == OK else SKIPPED,
        "migrations": migrations,
        "data": _outcome(_check_data) if migrations == OK else SKIPPED_DATA,
        "refresh": _outcome(_check_refresh) if migrations == OK else SKIPPED_DATA,
        "redis": _outcome(_check_redis),
        "clock": _outcome(_check_clock) if database == OK else SKIPPED,
        "api_key": _check_api_key(),
        "benchmark_file": _check_benchmark_file(),
        "regions": _outcome(_check_regions),
    }
    if checks["migrations"] != OK:
        return jsonify(status="unavailable", checks=checks), 503
    checks["database"] = _outcome(_check_writable)
    is_whole = all(outcome == OK for name, outcome in checks.items() if name != "api_key")
    return jsonify(status=OK if is_whole else "degraded", checks=checks), 200


def _outcome(check: Callable[[], str]) -> str:
    try:
        return check()
    except (SQLAlchemyError, psycopg2.Error, RedisError) as error:
        # The class alone, since the message may name hosts and users.
        return f"unreachable ({type(error).__name__})"


def _check_database() -> str:
    try:
        with db.engine.connect() as connection:
            problems = requirements.unsuitable(connection.connection.driver_connection)
    except SQLAlchemyError as error:
        if requirements.CONNECT_DENIED not in str(error):
            raise
        return "no CONNECT; expected that right"
    return "; ".join(problems) or OK


def _check_rights() -> str:
    with db.engine.connect() as connection:
        problems = requirements.missing_rights(connection.connection.driver_connection)
    return "; ".join(problems) or OK


def _check_writable() -> str:
    with db.engine.connect() as connection:
        return READ_ONLY if is_read_only(connection.connection.driver_connection) else OK


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


def _check_data() -> str:
    """Find what an incomplete restore has left empty; a schema of a newer version is its own to check."""
    settings: Settings = current_app.extensions["settings"]
    with db.engine.connect() as connection:
        if schema_version.is_newer(schema_version.found(connection)):
            return OK
        expired = rollups_expired(settings, datetime.now(UTC))
        found = emptied(connection.connection.driver_connection, expired)
    return f"empty: {', '.join(found)}; runs have finished, so run flask rebuild" if found else OK


def _check_refresh() -> str:
    """Find runs that ended minutes ago and are not shown."""
    with db.engine.connect() as connection:
        since = failing_since(connection.connection.driver_connection)
    if since is None:
        return OK
    return f"failing: runs that ended since {since.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC are not shown"


def _check_clock() -> str:
    """Compare this machine's clock with that of PostgreSQL, and with that of Redis if it can be reached."""
    with db.engine.connect() as connection:
        ahead = {"PostgreSQL": clock.ahead_seconds(connection.connection.driver_connection)}
    with suppress(RedisError):
        ahead["Redis"] = current_app.extensions["redis"].time()[0] - time.time()
    limit = clock.TOLERANCE.total_seconds()
    wrong = [f"{seconds:+.0f} s at {name}" for name, seconds in ahead.items() if abs(seconds) > limit]
    return f"differs: {', '.join(wrong)}; expected at most {limit:.0f} s" if wrong else OK


def _named(revisions: frozenset[str]) -> str:
    return ", ".join(sorted(revisions)) or "none"


def _check_api_key() -> str:
    return WEAK if current_app.extensions["settings"].has_short_key else OK


def _check_benchmark_file() -> str:
    """Find faults for which a scheduler ignores the file; what they are is not for everybody."""
    report = reported(current_app.extensions["redis"])
    if report is None:
        return OK
    since = datetime.fromtimestamp(report.since, UTC)
    faults = f"{report.faults} fault{'s' if report.faults > 1 else ''}"
    return f"{faults} since {since:%Y-%m-%d %H:%M:%S} UTC; the previous plan is used"


def _check_regions() -> str:
    """Find regions that no worker serves; their names are not for everybody."""
    extensions = current_app.extensions
    number = len(unserved_regions(extensions["redis"], extensions["plan"].measurements()))
    return f"no worker serves {number} region{'s' if number > 1 else ''}" if number else OK


def _check_redis() -> str:
    redis = current_app.extensions["redis"]
    try:
        redis.set(WRITTEN, 1, ex=WRITTEN_SECONDS)
    except (ResponseError, ReplicaError) as error:  # such as a full memory
        return f"refuses writes ({type(error).__name__})"
    return server_fault(redis) or OK
