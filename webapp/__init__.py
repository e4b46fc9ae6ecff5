"""The web application: the rankings API, the page, and the data behind them."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

    from webapp.settings import Settings


def create_app(settings: "Settings | None" = None) -> "Flask":
    """Build the app; connects to nothing until the first request.

    By default, `settings` are read from the environment. Raises SettingsError when they, or the benchmark file
    that they name, are unusable.
    """
    # Imported here, so that a process that needs one module of this package does not load all of Flask.
    from webapp.app import build_app
    from webapp.settings import Settings

    return build_app(settings or Settings.from_env())
