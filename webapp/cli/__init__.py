"""The commands of `flask`, which follow the same rules as the API."""

import click
from flask import Flask

from webapp.cli.grafana_role import grafana_reader
from webapp.cli.import_results import import_results
from webapp.cli.llms import llms
from webapp.cli.notify import notify
from webapp.cli.rebuild import rebuild
from webapp.cli.verify import verify

COMMANDS: tuple[click.Command, ...] = (llms, import_results, rebuild, verify, notify, grafana_reader)


def register_commands(app: Flask) -> None:
    """Add the commands to `flask`."""
    for command in COMMANDS:
        app.cli.add_command(command)
