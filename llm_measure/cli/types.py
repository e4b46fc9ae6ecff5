"""Types of option values."""

import json
from typing import Any

import click

from llm_measure import apis
from llm_measure.metrics import METRICS


class Numbers(click.ParamType):
    """Numbers separated by commas, as a list."""

    name = "numbers"

    def __init__(self, kind: type[int] | type[float]):
        self._kind = kind

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return a list."""
        if isinstance(value, list):
            return value
        try:
            return [self._kind(part) for part in value.split(",")]
        except ValueError:
            self.fail(f"{value!r}: must be numbers separated by commas, such as 1,8,64", param, ctx)


class Objectives(click.ParamType):
    """Objectives such as ttft=0.5,tpot=0.05, as bounds by metric."""

    name = "objectives"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return a dict."""
        if isinstance(value, dict):
            return value
        bounds = {}
        for part in value.split(","):
            name, _, bound = part.partition("=")
            try:
                bounds[name.strip()] = float(bound)
            except ValueError:
                known = ", ".join(METRICS.objectives)
                self.fail(f"{part!r}: must be METRIC=BOUND with a metric of {known}", param, ctx)
        return bounds


class JSONObject(click.ParamType):
    """A JSON object, as a dict."""

    name = "json"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return a dict."""
        if isinstance(value, dict):
            return value
        try:
            parsed = json.loads(value)
        except ValueError:
            parsed = None
        if not isinstance(parsed, dict):
            self.fail(f"{value!r}: must be a JSON object", param, ctx)
        return parsed


class ProviderAPIName(click.ParamType):
    """The name of a registered provider API."""

    name = "api"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the name."""
        if value not in apis.names():
            self.fail(f"{value!r}: must be one of {', '.join(apis.names())}", param, ctx)
        return value

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """Return the choices for the help text."""
        return f"[{'|'.join(apis.names())}]"
