"""How commands report errors: one line on stderr, exit code 2."""

from typing import Any

import click

from llm_measure.text import printable


class CommandError(click.ClickException):
    """Ends the command with one line on stderr and exit code 2."""

    exit_code = 2

    def __init__(self, message: str):
        super().__init__(printable(message))


class Command(click.Command):
    """A command that reports wrong options in one line, where click would also print its usage."""

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        """Parse the options; raises CommandError."""
        try:
            return super().make_context(*args, **kwargs)
        except click.exceptions.NoArgsIsHelpError:
            raise
        except click.UsageError as error:
            raise CommandError(error.format_message()) from None


class Group(Command, click.Group):
    """A group of such commands."""

    command_class = Command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """Find the command; raises CommandError."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            raise CommandError(
                f"{error.format_message()} Expected one of {', '.join(self.commands)}."
            ) from None
