"""The WSGI entry point, for `gunicorn wsgi:app` and the `flask` command."""

from webapp import create_app
from webapp.settings import Settings, SettingsError, exit_for

try:
    app = create_app(Settings.from_env(needs_key=True))
except SettingsError as error:
    exit_for(error)
