"""The web application: rankings API, page, and the data behind them."""

from typing import TYPE_CHECKING

from webapp.settings import Settings, SettingsError, exit_for

if TYPE_CHECKING:  # so that a process that needs one module of this package does not load Flask
    from flask import Flask


def create_app(settings: Settings | None = None) -> "Flask":
    """Return the application, which connects to nothing before the first request.

    Without `settings`, reads them from the environment and `.env`. Raises SettingsError if they are unusable,
    or the benchmark file that they name is; within the flask command, exits instead.
    """
    from click import get_current_context

    from webapp.logs import configure_logging

    try:
        settings = settings or Settings.from_env()
        configure_logging(settings)
        from webapp.app import build_app

        return build_app(settings)
    except SettingsError as error:
        if get_current_context(silent=True):
            exit_for(error)
        raise
