"""Errors as JSON: {"code", "status", "message"}, without internals such as tracebacks."""

import logging
from collections.abc import Callable
from typing import Any

import psycopg2
import sqlalchemy.exc
from flask import Flask, Response, jsonify
from marshmallow import Schema, fields
from psycopg2.errors import LockNotAvailable, ReadOnlySqlTransaction, UndefinedTable
from redis import RedisError
from redis.exceptions import LockError
from werkzeug.exceptions import HTTPException, InternalServerError, ServiceUnavailable
from werkzeug.http import HTTP_STATUS_CODES

from webapp.headers import security_headers

logger = logging.getLogger(__name__)

RETRY_SECONDS = 5
# Messages quote at most this much of a value that was sent.
SHOWN_CHARACTERS = 60
# After each of these, the same request can succeed a moment later.
DATABASE_UNREACHABLE = (
    psycopg2.OperationalError,
    psycopg2.InterfaceError,
    sqlalchemy.exc.OperationalError,
    sqlalchemy.exc.InterfaceError,
    sqlalchemy.exc.TimeoutError,
)


class ErrorSchema(Schema):
    """The body of every error."""

    code = fields.Integer(required=True, metadata={"description": "HTTP status code", "example": 404})
    status = fields.String(required=True, metadata={"description": "Reason phrase", "example": "Not Found"})
    message = fields.String(
        required=True,
        metadata={
            "description": "What is wrong, and what is expected",
            "example": "metric_name='speed': unknown metric; expected one of ttft, tps, e2e_latency, rps",
        },
    )
    errors = fields.Dict(metadata={"description": "Messages by argument or field, if those are invalid"})


def register_error_handlers(app: Flask) -> None:
    """Answer every error as JSON, and an unreachable database or Redis with 503."""
    for error, handler in handlers().items():
        app.register_error_handler(error, handler)


def handlers() -> dict[type[Exception], Callable[[Any], Response]]:
    """Return the handler of each class of exceptions; the most specific class applies."""
    return {
        HTTPException: answer_error,
        Exception: _answer_unexpected,
        **dict.fromkeys(DATABASE_UNREACHABLE, _answer_database_unreachable),
        UndefinedTable: _answer_not_migrated,
        ReadOnlySqlTransaction: _answer_read_only,
        RedisError: answer_redis_unreachable,
        # Both are subclasses of errors above, yet the server has answered: somebody else holds the lock.
        LockNotAvailable: _answer_busy,
        LockError: _answer_busy,
    }


def shown(value: object) -> str:
    """Return the value as messages quote it: in quotes, printable, and cut to SHOWN_CHARACTERS."""
    text = repr(value)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}..."


def described(error: Exception) -> str:
    """Return the first line of a database's error, with the server's detail in parentheses if it gave one."""
    first, *more = str(getattr(error, "orig", None) or error).strip().splitlines() or [type(error).__name__]
    details = [line.removeprefix("DETAIL:").strip() for line in more if line.startswith("DETAIL:")]
    return f"{first} ({details[0]})" if details else first


def answer_error(error: HTTPException) -> Response:
    """Return the error's status and headers with a JSON body; webargs' messages are listed under "errors"."""
    response = Response(headers=security_headers())
    response.status_code = code = error.code or 500
    response.headers.extend(
        (name, value) for name, value in error.get_headers() if name.lower() != "content-type"
    )
    body = {"code": code, "status": HTTP_STATUS_CODES.get(code, "Error"), "message": error.description}
    messages = getattr(error, "data", {}).get("messages")
    if messages:
        body["errors"] = messages
    response.data = jsonify(body).data
    response.content_type = "application/json"
    return response


def answer_redis_unreachable(error: Exception) -> Response:
    """Log the error and answer with 503."""
    logger.error("Redis unreachable: %s", error)
    return _answer_unavailable("Redis unreachable; try again in a moment")


def _answer_database_unreachable(error: Exception) -> Response:
    logger.error("database unreachable: %s", _first_line(error))
    return _answer_unavailable("Database unreachable; try again in a moment")


def _answer_not_migrated(error: Exception) -> Response:
    logger.error("database not migrated: %s", _first_line(error))
    return _answer_unavailable("Database not migrated yet; see /readyz")


def _answer_read_only(error: Exception) -> Response:
    logger.error("database read-only: %s", _first_line(error))
    return _answer_unavailable("Database read-only; try again when it accepts changes")


def _answer_busy(error: Exception) -> Response:
    logger.warning("lock timeout: %s", _first_line(error))
    return _answer_unavailable("Another change is in progress; try again in a moment")


def _answer_unavailable(message: str) -> Response:
    return answer_error(ServiceUnavailable(message, retry_after=RETRY_SECONDS))


def _answer_unexpected(error: Exception) -> Response:
    logger.exception("unexpected error")
    return answer_error(InternalServerError("Unexpected error; the server's log has the details"))


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
