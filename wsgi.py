"""The WSGI entry point: `gunicorn wsgi:app`, and `flask` commands."""

from webapp import create_app
from webapp.settings import SettingsError, exit_for

try:
    app = create_app()
except SettingsError as error:
    exit_for(error)
