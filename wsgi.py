"""The WSGI entry point: `gunicorn wsgi:app`, and `flask` commands."""

from webapp import create_app
from webapp.cli import app_without_settings
from webapp.settings import SettingsError

try:
    app = create_app()
except SettingsError as error:
    app = app_without_settings(error)
