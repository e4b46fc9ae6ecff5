"""Errors of commands, from their arguments or the database, reported in one line."""

import shlex
from collections.abc import Callable
from functools import wraps
from typing import Any

import psycopg2
from marshmallow import ValidationError
from sqlalchemy.exc import SQLAlchemyError

from llm_measure.cli.errors import CommandError
from webapp.errors import described, shown
from webapp.llms import NameTakenError, UnknownLLMError


def reporting(command: Callable) -> Callable:
    """Return the command with every expected error raised as CommandError."""

    @wraps(command)
    def guarded(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except ValidationError as error:
            raise CommandError(_faults(error)) from None
        except NameTakenError as error:
            remedy = f"; {restoring(error.name)}" if error.archived else ""
            raise CommandError(f"name={shown(error.name)}: {error}{remedy}") from None
        except UnknownLLMError as error:
            raise CommandError(f"llm={shown(str(error))}: unknown LLM; see flask llms list") from None
        except psycopg2.errors.UndefinedTable:
            raise CommandError("database: not migrated; run make run-migrations") from None
        except psycopg2.errors.LockNotAvailable:
            raise CommandError("database: another change is in progress; try again") from None
        except (psycopg2.Error, SQLAlchemyError) as error:
            raise CommandError(f"database: {described(error)}") from None

    return guarded


def restoring(name: str) -> str:
    """Return the advice to restore an archived LLM."""
    return f"restore it with: flask llms restore {shlex.quote(name)}"


def _faults(error: ValidationError) -> str:
    """Return the faults of each field in one line."""
    found = error.normalized_messages()
    return "; ".join(f"{name}: {', '.join(messages)}" for name, messages in found.items())
