"""Errors for people: the status and message that the API would give, as a page."""

from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, json, render_template, request
from werkzeug.exceptions import UnprocessableEntity

from webapp import errors


def register_error_pages(blueprint: Blueprint) -> None:
    """Answer every error of the blueprint as a page; to the page itself, which looks for news, as JSON."""
    for error, handler in errors.handlers().items():
        blueprint.register_error_handler(error, _as_page(handler))


def _as_page(handler: Callable[[Any], Response]) -> Callable[[Any], Response]:
    def answer(error: Exception) -> Response:
        response = handler(error)
        if request.path.startswith("/live/"):
            return response
        fault = json.loads(response.get_data())
        if isinstance(error, UnprocessableEntity) and fault.get("errors"):
            fault["message"] = _first(fault["errors"])
        response.set_data(render_template("page/error.html", fault=fault))
        response.content_type = "text/html; charset=utf-8"
        return response

    return answer


def _first(findings: dict[str, Any]) -> str:
    """The first finding of marshmallow's, in a line."""
    name, messages = next(iter(findings.items()))
    return f"{name}: {messages[0] if isinstance(messages, list) else messages}"
