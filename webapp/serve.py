"""Serve API and page with gunicorn: python -m webapp.serve [OPTIONS of gunicorn].

Checks all settings and the database first. gunicorn itself reads WEB_CONCURRENCY when it is imported, and
ends with a traceback if the value is not a number.
"""

import os
import runpy

from webapp.requirements import check_before_start
from webapp.settings import Settings, SettingsError, exit_for


def main() -> None:
    """Run gunicorn with gunicorn.conf.py and the command line's options.

    Exits with 2 for bad settings or a database that cannot be used.
    """
    try:
        settings = Settings.from_env(needs_key=True)
    except SettingsError as error:
        exit_for(error)
    check_before_start(settings)
    os.environ["WEB_CONCURRENCY"] = str(settings.web_concurrency)
    runpy.run_module("gunicorn", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
