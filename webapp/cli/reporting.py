"""How commands report what goes wrong with the database or their arguments: in one line."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import psycopg2
from marshmallow import ValidationError
from sqlalchemy.exc import SQLAlchemyError

from llm_measure.cli.errors import CommandError
from webapp.errors import shown
from webapp.llms import NameTakenError, UnknownLLMError


def reporting(command: Callable) -> Callable:
    """Let the command raise CommandError for everything that can go wrong."""

    @wraps(command)
    def guarded(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except ValidationError as error:
            raise CommandError(_faults(error)) from None
        except NameTakenError as error:
            remedy = f"; restore it with: flask llms restore {error.name!r}" if error.archived else ""
            raise CommandError(f"name {shown(error.name)}: {error}{remedy}") from None
        except UnknownLLMError as error:
            raise CommandError(f"LLM {shown(str(error))}: unknown or archived; see flask llms list") from None
        except psycopg2.errors.UndefinedTable:
            raise CommandError("database: not migrated; run make run-migrations") from None
        except psycopg2.errors.LockNotAvailable:
            raise CommandError("database: another change is in progress; try again") from None
        except (psycopg2.Error, SQLAlchemyError) as error:
            raise CommandError(f"database: {str(error).strip().splitlines()[0]}") from None

    return guarded


def _faults(error: ValidationError) -> str:
    """Return what is wrong with each field, on one line."""
    found = error.normalized_messages()
    return "; ".join(f"{name}: {', '.join(messages)}" for name, messages in found.items())
