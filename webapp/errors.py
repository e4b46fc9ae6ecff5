"""Every error as JSON: {"code", "status", "message"}, and never a trace of the inside."""

import logging
from collections.abc import Callable
from typing import Any

import psycopg2
import sqlalchemy.exc
from flask import Flask, Response, jsonify
from marshmallow import Schema, fields
from psycopg2.errors import UndefinedTable
from redis import RedisError
from werkzeug.exceptions import HTTPException, InternalServerError, ServiceUnavailable
from werkzeug.http import HTTP_STATUS_CODES

logger = logging.getLogger(__name__)

RETRY_SECONDS = 5
# Of what was sent, so much is repeated in a message.
SHOWN_CHARACTERS = 60
# With each of these, the same request can succeed in a moment.
DATABASE_AWAY = (
    psycopg2.OperationalError,
    psycopg2.InterfaceError,
    sqlalchemy.exc.OperationalError,
    sqlalchemy.exc.InterfaceError,
    sqlalchemy.exc.TimeoutError,
)


class ErrorSchema(Schema):
    """The one shape of all errors."""

    code = fields.Integer(required=True, metadata={"description": "HTTP status code", "example": 404})
    status = fields.String(required=True, metadata={"description": "Its name", "example": "Not Found"})
    message = fields.String(
        required=True,
        metadata={
            "description": "What is wrong, and what would be right",
            "example": "metric_name='speed': no such metric; there are ttft, tps, e2e_latency, rps",
        },
    )
    errors = fields.Dict(metadata={"description": "What is wrong with each argument, if arguments are"})


def register_error_handlers(app: Flask) -> None:
    """Answer every error as JSON, a database or Redis that is away as 503."""
    for error, handler in handlers().items():
        app.register_error_handler(error, handler)


def handlers() -> dict[type[Exception], Callable[[Any], Response]]:
    """How each kind of error is answered."""
    return {
        HTTPException: answer_error,
        Exception: _answer_unexpected,
        **dict.fromkeys(DATABASE_AWAY, _answer_database_away),
        UndefinedTable: _answer_not_migrated,
        RedisError: answer_redis_away,
    }


def shown(value: object) -> str:
    """The value as a message repeats it: quoted, in printable characters, and not too long."""
    text = repr(value)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}..."


def answer_error(error: HTTPException) -> Response:
    """The error's status and headers with a JSON body; webargs' findings stand under "errors"."""
    response = Response()
    response.status_code = code = error.code or 500
    response.headers.extend(
        (name, value) for name, value in error.get_headers() if name.lower() != "content-type"
    )
    body = {"code": code, "status": HTTP_STATUS_CODES.get(code, "Error"), "message": error.description}
    findings = getattr(error, "data", {}).get("messages")
    if findings:
        body["errors"] = findings
    response.data = jsonify(body).data
    response.content_type = "application/json"
    return response


def _answer_database_away(error: Exception) -> Response:
    logger.error("the database cannot be used: %s", str(error).strip().partition("\n")[0])
    return answer_error(
        ServiceUnavailable("the database cannot be reached; try again in a moment", retry_after=RETRY_SECONDS)
    )


def _answer_not_migrated(error: Exception) -> Response:
    logger.error("the database lacks the newest migrations: %s", str(error).strip().partition("\n")[0])
    return answer_error(
        ServiceUnavailable("the database is not migrated yet; see /readyz", retry_after=RETRY_SECONDS)
    )


def answer_redis_away(error: Exception) -> Response:
    """503, and a line in the log."""
    logger.error("Redis cannot be used: %s", error)
    return answer_error(
        ServiceUnavailable("Redis cannot be reached; try again in a moment", retry_after=RETRY_SECONDS)
    )


def _answer_unexpected(error: Exception) -> Response:
    logger.exception("unexpected error")
    return answer_error(InternalServerError("an unexpected error, which has been logged"))
