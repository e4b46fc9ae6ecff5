"""The commands of `flask`; here `flask llms ...`, by the same rules as the API."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import click
import psycopg2
from flask import Flask, current_app
from flask.cli import AppGroup
from marshmallow import RAISE, Schema, ValidationError
from sqlalchemy.exc import SQLAlchemyError

from jobs.measure.cli import measure, mock_server
from webapp.api.llms.schemas import LLMChangesSchema, NewLLMSchema, faults
from webapp.cache import snapshot
from webapp.errors import shown
from webapp.llms import LLMs, NameTakenError
from webapp.refusal import Command, Refusal
from webapp.settings import SettingsError, exit_for
from webapp.store import llms as store
from webapp.store.llms import LLM

commands = AppGroup("llms", help="List, add, rename, archive and restore LLMs.")
commands.command_class = Command


def register_commands(app: Flask) -> None:
    """Add the commands to `flask`."""
    app.cli.add_command(commands)
    add_commands_without_settings(app.cli)


def add_commands_without_settings(group: click.Group) -> None:
    """Those that need no settings."""
    group.add_command(measure)
    group.add_command(mock_server)


class CommandsWithoutSettings(AppGroup):
    """What is left of `flask` when the settings are unusable: all other commands end by saying so."""

    def __init__(self, error: SettingsError):
        super().__init__()
        self._error = error
        add_commands_without_settings(self)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, if it can do without."""
        return super().get_command(ctx, cmd_name) or exit_for(self._error)


def app_without_settings(error: SettingsError) -> Flask:
    """An app for `flask` alone, with the commands that need no settings; anything else ends the process."""
    context = click.get_current_context(silent=True)
    # Within one of Flask's own commands, as `flask db` or `flask run`, an app with settings is needed.
    if context is None or context.find_root().invoked_subcommand:
        exit_for(error)
    app = Flask(__name__)
    app.cli = CommandsWithoutSettings(error)
    return app


def refusing(command: Callable) -> Callable:
    """Answer what can go wrong with one line."""

    @wraps(command)
    def guarded(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except ValidationError as error:
            raise Refusal(faults(error)) from None
        except NameTakenError as error:
            raise Refusal(f"name {shown(str(error))}: {error.why}") from None
        except psycopg2.errors.UndefinedTable:
            raise Refusal("the database is not migrated yet; make run-migrations does it") from None
        except (psycopg2.Error, SQLAlchemyError) as error:
            raise Refusal(f"the database cannot be used: {str(error).strip().splitlines()[0]}") from None

    return guarded


@commands.command("list")
@click.option("--archived", is_flag=True, help="The archived ones instead of the ranked.")
@refusing
def list_llms(archived: bool) -> None:
    """List the LLMs: name, maker, provider, separated by tabs."""
    with snapshot() as conn:
        for llm in store.read_all(conn, archived):
            click.echo(f"{llm.name}\t{llm.company_name}\t{llm.provider}")


@commands.command("add")
@click.argument("name")
@click.argument("company_name")
@click.option("--provider", help="Who serves it; who made it if left out.")
@click.option("--measured-only", is_flag=True, help="Draw no simulated values for it.")
@refusing
def add(name: str, company_name: str, provider: str | None, measured_only: bool) -> None:
    """Add an LLM, which the next run takes in."""
    given = {"name": name, "company_name": company_name, "provider": provider}
    added = _llms().add(**_checked(NewLLMSchema, given), simulated=not measured_only)
    click.echo(f"added {added.name}")


@commands.command("rename")
@click.argument("name")
@click.argument("new_name")
@refusing
def rename(name: str, new_name: str) -> None:
    """Rename an LLM; its history goes with it."""
    changed = _llms().change(_named(name).id, **_checked(LLMChangesSchema, {"name": new_name}))
    click.echo(f"renamed {name} to {changed.name}")


@commands.command("archive")
@click.argument("name")
@refusing
def archive(name: str) -> None:
    """Take an LLM out of runs and rankings; its history stays."""
    _llms().change(_named(name).id, archived=True)
    click.echo(f"archived {name}")


@commands.command("restore")
@click.argument("name")
@refusing
def restore(name: str) -> None:
    """Bring an archived LLM back."""
    _llms().change(_named(name).id, archived=False)
    click.echo(f"restored {name}")


def _llms() -> LLMs:
    return LLMs(current_app.extensions["settings"], current_app.extensions["redis"])


def _checked(schema: type[Schema], given: dict[str, str | None]) -> dict[str, Any]:
    """What was given, checked by the API's own rules."""
    return schema(unknown=RAISE).load({name: value for name, value in given.items() if value is not None})


def _named(name: str) -> LLM:
    """The LLM of that name, archived or not."""
    name = _checked(LLMChangesSchema, {"name": name})["name"]
    with snapshot() as conn:
        found = store.named(conn, name)
    if found is None:
        raise Refusal(f"name {shown(name)}: there is no such LLM")
    return found
