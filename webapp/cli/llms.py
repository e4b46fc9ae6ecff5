"""`flask llms`: list, add, rename, archive and restore LLMs."""

from typing import Any

import click
from flask import current_app
from flask.cli import AppGroup
from marshmallow import RAISE, Schema

from llm_measure.cli.errors import Command
from llm_measure.text import printable
from webapp.api.llms.schemas import LLMChangesSchema, NewLLMSchema
from webapp.cache import snapshot
from webapp.cli.reporting import reporting
from webapp.llms import LLMs, UnknownLLMError
from webapp.store import llms as store
from webapp.store.llms import LLM

llms = AppGroup("llms", help="List, add, rename, archive and restore LLMs.")
llms.command_class = Command


@llms.command("list")
@click.option("--archived", is_flag=True, help="List archived LLMs instead of ranked ones.")
@reporting
def list_llms(archived: bool) -> None:
    """List the LLMs, one per line: name, maker and provider, separated by tabs."""
    with snapshot() as conn:
        for llm in store.read_all(conn, archived):
            click.echo("\t".join(map(printable, (llm.name, llm.company_name, llm.provider))))


@llms.command("add")
@click.argument("name")
@click.argument("company_name")
@click.option("--provider", help="Company that serves the LLM.  [default: COMPANY_NAME]")
@click.option("--measured-only", is_flag=True, help="Exclude the LLM from simulations.")
@reporting
def add(name: str, company_name: str, provider: str | None, measured_only: bool) -> None:
    """Add an LLM, which the next run includes."""
    given = {"name": name, "company_name": company_name, "provider": provider}
    added = _llms().add(**_checked(NewLLMSchema, given), simulated=not measured_only)
    click.echo(f"added {printable(added.name)}")


@llms.command("rename")
@click.argument("name")
@click.argument("new_name")
@reporting
def rename(name: str, new_name: str) -> None:
    """Rename an LLM and keep its history."""
    changed = _llms().change(_named(name).id, **_checked(LLMChangesSchema, {"name": new_name}))
    click.echo(f"renamed {printable(name)} to {printable(changed.name)}")


@llms.command("archive")
@click.argument("name")
@reporting
def archive(name: str) -> None:
    """Exclude an LLM from runs and rankings and keep its history."""
    _llms().change(_named(name).id, archived=True)
    click.echo(f"archived {printable(name)}")


@llms.command("restore")
@click.argument("name")
@reporting
def restore(name: str) -> None:
    """Restore an archived LLM."""
    _llms().change(_named(name).id, archived=False)
    click.echo(f"restored {printable(name)}")


def _llms() -> LLMs:
    return current_app.extensions["llms"]


def _checked(schema: type[Schema], given: dict[str, str | None]) -> dict[str, Any]:
    """Return the given values, validated by the API's rules."""
    return schema(unknown=RAISE).load({name: value for name, value in given.items() if value is not None})


def checked_name(name: str) -> str:
    """Return an LLM's name without surrounding spaces; raises ValidationError if no LLM can have it."""
    return _checked(LLMChangesSchema, {"name": name})["name"]


def _named(name: str) -> LLM:
    """Return the LLM of that name, archived or not; raises UnknownLLMError."""
    name = checked_name(name)
    with snapshot() as conn:
        found = store.named(conn, name)
    if found is None:
        raise UnknownLLMError(name)
    return found
