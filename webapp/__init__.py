"""The web application: rankings API, page, and the data behind them."""

from typing import TYPE_CHECKING

from webapp.settings import Settings

if TYPE_CHECKING:  # so that a process that needs one module of this package does not load Flask
    from flask import Flask


def create_app(settings: Settings | None = None) -> "Flask":
    """Return the application, which connects to nothing before the first request.

    Without `settings`, reads them from the environment and `.env`. Raises SettingsError if they are unusable,
    or the benchmark file that they name is.
    """
    from webapp.logs import configure_logging

    settings = settings or Settings.from_env()
    configure_logging(settings)
    from webapp.app import build_app

    return build_app(settings)
