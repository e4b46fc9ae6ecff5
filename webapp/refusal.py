"""How a command says no."""

from typing import Any

import click


class Refusal(click.ClickException):
    """One line on stderr, and exit code 2."""

    exit_code = 2


class Command(click.Command):
    """A command that answers wrong options with one line, where click would show how it is used, too."""

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        """Read the options; Refusal if they cannot be read."""
        try:
            return super().make_context(*args, **kwargs)
        except click.UsageError as error:
            raise Refusal(error.format_message()) from None
