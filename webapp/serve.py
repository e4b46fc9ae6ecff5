"""Serve the API with gunicorn: python -m webapp.serve.

The same as `gunicorn`, except that gunicorn reads WEB_CONCURRENCY when it is imported and ends with a traceback
if that is no number; here all settings are checked first.
"""

import os
import runpy

from webapp.settings import Settings, SettingsError, exit_for


def main() -> None:
    """Run gunicorn with gunicorn.conf.py and the options of the command line."""
    try:
        settings = Settings.from_env()
    except SettingsError as error:
        exit_for(error)
    os.environ["WEB_CONCURRENCY"] = str(settings.web_concurrency)
    runpy.run_module("gunicorn", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
