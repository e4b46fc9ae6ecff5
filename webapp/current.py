"""The current request's environ and app, for code that every cached response runs.

Flask's proxies look each attribute up by a descriptor, which takes three times as long.
"""

from typing import TYPE_CHECKING

from flask import Flask, current_app, request

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment


def environ() -> "WSGIEnvironment":
    """Return the environ of the request."""
    return request._get_current_object().environ  # type: ignore[attr-defined]


def app() -> Flask:
    """Return the app."""
    return current_app._get_current_object()  # type: ignore[attr-defined]
