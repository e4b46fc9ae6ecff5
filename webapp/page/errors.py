"""Errors for people: the status and message that the API would give, as a page."""

from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, json, render_template, request
from werkzeug.exceptions import NotFound, UnprocessableEntity

from webapp import errors
from webapp.page.headers import set_headers

# Of these, a browser asks for the one and programs, which take anything, get the other.
JSON_OR_HTML = ("application/json", "text/html")


def register_error_pages(blueprint: Blueprint) -> None:
    """Answer every error of the blueprint as a page; to the page itself, which looks for news, as JSON."""
    for error, handler in {**errors.handlers(), NotFound: errors.answer_error}.items():
        blueprint.register_error_handler(error, _as_page(handler))


def answer_unknown_address(error: NotFound) -> Response:
    """As a page to a browser that asks for what no route serves; else as JSON."""
    if request.blueprint is None and request.accept_mimetypes.best_match(JSON_OR_HTML) == "text/html":
        return set_headers(_as_page(errors.answer_error)(error))
    return errors.answer_error(error)


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
