"""Types of option values."""

import json
import math
import os
from collections.abc import Sequence
from typing import Any

import click
from click.shell_completion import CompletionItem


class FiniteRange(click.FloatRange):
    """A number within bounds, among which click counts NaN."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the number."""
        number = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value!r}: expected a number", param, ctx)
        return number


class Numbers(click.ParamType):
    """Numbers separated by commas, as a list."""

    name = "numbers"

    def __init__(self, kind: type[int] | type[float]):
        self._kind = kind

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return a list."""
        try:
            return [self._kind(part) for part in value.split(",")]
        except ValueError:
            self.fail(f"{value!r}: must be numbers separated by commas, such as 1,8,64", param, ctx)


class Drawn(click.ParamType):
    """A number, or its distribution as a text; `words` are other texts that are allowed."""

    name = "drawn"

    def __init__(self, kind: type[int] | type[float], *words: str):
        self._kind, self._words = kind, words

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return a number as such, any other text as it is."""
        from llm_measure import distributions  # noqa: PLC0415

        if value in self._words:
            return value
        try:
            return self._kind(value)
        except ValueError:
            pass
        try:
            distributions.parse(value)
        except ValueError as error:
            self.fail(" or ".join((f"{value!r}: {error}", *self._words)), param, ctx)
        return value


class Window(click.ParamType):
    """Two moments such as 60..360, as a pair of seconds."""

    name = "window"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return a pair of numbers."""
        begin, _, end = value.partition("..")
        try:
            return float(begin), float(end)
        except ValueError:
            self.fail(f"{value!r}: must be FROM..TO in seconds, such as 60..360", param, ctx)


class Objectives(click.ParamType):
    """Objectives such as ttft=0.5,tpot=0.05, as bounds by metric."""

    name = "objectives"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return a dict."""
        bounds = {}
        for part in value.split(","):
            name, _, bound = part.partition("=")
            if name.strip() in bounds:
                self.fail(f"{name.strip()}: duplicate objective; expected one bound", param, ctx)
            try:
                bounds[name.strip()] = float(bound)
            except ValueError:
                self.fail(f"{part!r}: must be METRIC=BOUND, such as ttft=0.5", param, ctx)
        return bounds


class JSONObject(click.ParamType):
    """A JSON object, as a dict."""

    name = "json"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return a dict."""
        try:
            parsed = json.loads(value)
        except ValueError:
            parsed = None
        if not isinstance(parsed, dict):
            self.fail(f"{value!r}: must be a JSON object", param, ctx)
        return parsed


class Header(click.ParamType):
    """A header such as `api-key: ${VAR}`, as its name and value."""

    name = "header"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return a pair; an error shows nothing of what may be a secret."""
        name, colon, text = value.partition(":")
        if not colon:
            self.fail("must be 'NAME: VALUE', such as 'api-key: ${VAR}'", param, ctx)
        return name.strip(), text.strip()


class CommandLine(click.ParamType):
    """A command and its arguments, quoted as a shell has them, as a tuple."""

    name = "command"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the words; an error shows none of them, as they may be secrets."""
        from llm_measure.endpoint_checks import command_words  # noqa: PLC0415

        try:
            return command_words(value)
        except ValueError as error:
            self.fail(f"{str(error).partition(': ')[2]}; expected a command as in a shell", param, ctx)


class KeyVariable(click.ParamType):
    """The name of an environment variable, as the key that it holds."""

    name = "variable"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the key."""
        key = os.environ.get(value, "").strip()
        if not key:
            self.fail(f"{value}: environment variable not set or empty", param, ctx)
        return key


class ProviderAPIName(click.ParamType):
    """The name of a provider API, which `Endpoint` checks."""

    name = "api"

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """Return the names for the help text."""
        return f"[{'|'.join(_api_names())}]"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Return the names that begin like this."""
        return _completions(_api_names(), incomplete)


class MetricName(click.ParamType):
    """The name of a metric, which whoever uses it checks."""

    name = "metric"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Return the names that begin like this."""
        from llm_measure.metrics import METRICS  # noqa: PLC0415

        return _completions(METRICS.names, incomplete)


def _api_names() -> Sequence[str]:
    from llm_measure import apis  # noqa: PLC0415

    return apis.names()


def _completions(names: Sequence[str], incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]
