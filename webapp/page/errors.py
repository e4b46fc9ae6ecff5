"""Errors as pages, with the status and message that the API would return."""

from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, json, render_template, request
from werkzeug.exceptions import NotFound, UnprocessableEntity

from webapp import errors
from webapp.headers import set_headers

# A browser prefers HTML; a program that accepts anything gets JSON.
JSON_OR_HTML = ("application/json", "text/html")


def register_error_pages(blueprint: Blueprint) -> None:
    """Render every error of the blueprint as a page; at /live/, as JSON."""
    for error, handler in {**errors.handlers(), NotFound: errors.answer_error}.items():
        blueprint.register_error_handler(error, _as_page(handler))


def respond_not_found(error: NotFound) -> Response:
    """Return a page if a browser requests an unknown address; else JSON."""
    if request.blueprint is None and request.accept_mimetypes.best_match(JSON_OR_HTML) == "text/html":
        return set_headers(_as_page(errors.answer_error)(error))
    return errors.answer_error(error)


def _as_page(handler: Callable[[Any], Response]) -> Callable[[Any], Response]:
    def respond(error: Exception) -> Response:
        response = handler(error)
        if request.path.startswith("/live/"):
            return response
        fault = json.loads(response.get_data())
        if isinstance(error, UnprocessableEntity) and fault.get("errors"):
            fault["message"] = _first(fault["errors"])
        response.set_data(render_template("page/error.html", fault=fault))
        response.content_type = "text/html; charset=utf-8"
        return response

    return respond


def _first(findings: dict[str, Any]) -> str:
    """Return the first of marshmallow's messages, in one line."""
    name, messages = next(iter(findings.items()))
    return f"{name}: {messages[0] if isinstance(messages, list) else messages}"
