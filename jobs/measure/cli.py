"""`flask measure` and `flask mock-server`: their options; what does the work is imported when one is run.

The web application imports this module, and needs neither an event loop nor tables.
"""

import json
from pathlib import Path
from typing import Any

import click
from flask.cli import with_appcontext

from jobs.measure.mock_server.behaviour import Behaviour
from jobs.measure.options import asked, key_of
from jobs.measure.workload import SLO_METRICS
from webapp.refusal import Command, Refusal

FORMATS = ("table", "json", "csv")


class Numbers(click.ParamType):
    """Numbers with commas between them."""

    name = "numbers"

    def __init__(self, kind: type[int] | type[float]):
        self._kind = kind

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """A list of them."""
        if isinstance(value, list):
            return value
        try:
            return [self._kind(part) for part in value.split(",")]
        except ValueError:
            self.fail(f"{value!r}: must be numbers with commas between them, such as 1,8,64", param, ctx)


class Bounds(click.ParamType):
    """Objectives: ttft=0.5,tpot=0.05."""

    name = "bounds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """A bound in seconds by metric."""
        if isinstance(value, dict):
            return value
        bounds = {}
        for part in value.split(","):
            name, _, bound = part.partition("=")
            try:
                bounds[name.strip()] = float(bound)
            except ValueError:
                known = ", ".join(SLO_METRICS)
                self.fail(f"{part!r}: must be METRIC=SECONDS, with a metric of {known}", param, ctx)
        return bounds


class JSONObject(click.ParamType):
    """An object in JSON."""

    name = "json"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The object."""
        if isinstance(value, dict):
            return value
        try:
            parsed = json.loads(value)
        except ValueError:
            parsed = None
        if not isinstance(parsed, dict):
            self.fail(f"{value!r}: must be an object in JSON", param, ctx)
        return parsed


@click.command("measure", cls=Command, short_help="Measure an OpenAI-compatible endpoint.")
@click.option("--base-url", help="Up to the API's version, such as http://localhost:8000/v1.")
@click.option("--model", help="The model's name there.")
@click.option("--api-key-env", metavar="VAR", help="The environment variable that holds the API key.")
@click.option("--api", type=click.Choice(("chat", "completions")), default="chat", show_default=True)
@click.option("--input-tokens", type=int, help="Length of each prompt; 128 if left out.")
@click.option(
    "--output-tokens", type=int, default=128, show_default=True, help="At most so many (max_tokens)."
)
@click.option("--dataset", help="Prompts of a JSONL file: prompt or messages, output_tokens.")
@click.option("--same-prompt", is_flag=True, help="One prompt for all requests, which the server may cache.")
@click.option("--seed", type=int, help="Of prompts and arrivals; a new one each time if left out.")
@click.option("--extra-body", type=JSONObject(), default="{}", metavar="JSON",
              help="Joins each request's body; null takes a field out.")  # fmt: skip
@click.option(
    "--concurrency", type=Numbers(int), metavar="N,...", help="Requests under way at once; a level each."
)
@click.option("--rate", type=Numbers(float), metavar="R,...", help="Requests sent a second; a level each.")
@click.option("--arrival", type=click.Choice(("poisson", "constant")), help="Of a rate; poisson if left out.")
@click.option("--sweep", is_flag=True, help="Concurrency 1, 2, 4, ... until it brings no more.")
@click.option(
    "--requests", type=int, help="Measured in each level; if left out, 4 for each stream, 32 at least."
)
@click.option("--duration", type=float, help="Seconds for which requests are sent in each level.")
@click.option("--warmup", type=int, help="Sent before and not measured; one for each stream if left out.")
@click.option("--timeout", type=float, default=60.0, show_default=True, help="Seconds for a whole request.")
@click.option("--slo", type=Bounds(), default={}, metavar="METRIC=S,...",
              help=f"Objectives for goodput, in seconds: {', '.join(SLO_METRICS)}.")  # fmt: skip
@click.option("--processes", type=click.IntRange(1, 256), default=1, show_default=True, help="Of the client.")
@click.option("--format", "form", type=click.Choice(FORMATS), default="table", show_default=True)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="A file in stdout's place.")
@click.option("--save", is_flag=True, help="Store each level in the database, as a run of the LLM.")
@click.option("--llm", help="Which LLM it is, with --save.")
@click.option(
    "--explain", is_flag=True, help="Print what the metrics mean, and what other tools mean by them."
)
@with_appcontext
def measure(**options: Any) -> None:
    """Measure an OpenAI-compatible endpoint, level by level.

    Ctrl-C ends it and shows what was measured so far. Exit codes: 0 measured, 1 a level without one right
    answer, 2 wrong options.
    """
    if options["explain"]:
        from jobs.measure.explain import explain  # noqa: PLC0415

        click.echo(explain())
        return
    from jobs.measure.by_hand import measure_by_hand  # noqa: PLC0415

    try:
        endpoint, workload, loads = asked(options)
    except ValueError as error:
        raise Refusal(str(error)) from None
    if not measure_by_hand(endpoint, workload, loads, options):
        raise SystemExit(1)


@click.command("mock-server", cls=Command, short_help="Serve an OpenAI-compatible API whose times are known.")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="0: any free one."
)
@click.option("--ttft", type=float, default=0.2, show_default=True, help="Seconds to the first token.")
@click.option("--ttft-std", type=float, default=0.0, show_default=True, help="Their standard deviation.")
@click.option("--itl", type=float, default=0.01, show_default=True, help="Seconds from token to token.")
@click.option("--itl-std", type=float, default=0.0, show_default=True, help="Their standard deviation.")
@click.option("--output-tokens", type=int, help="At most so many; as many as are asked for if left out.")
@click.option("--chunk-tokens", type=int, default=1, show_default=True, help="Tokens in each chunk.")
@click.option("--role-first", is_flag=True, help="Begin, at once, with a chunk that holds the role alone.")
@click.option("--reasoning-tokens", type=int, default=0, show_default=True, help="So many are reasoning.")
@click.option("--no-usage", is_flag=True, help="Tell no token counts.")
@click.option("--error-rate", type=float, default=0.0, show_default=True, help="Share answered with 500.")
@click.option(
    "--rate-limit-rate", type=float, default=0.0, show_default=True, help="Share answered with 429."
)
@click.option("--stall-rate", type=float, default=0.0, show_default=True, help="Share that stops half way.")
@click.option("--truncate-rate", type=float, default=0.0, show_default=True, help="Share cut within a chunk.")
@click.option("--slowdown-per-stream", type=float, default=0.0, show_default=True,
              help="Each stream about makes the times of the next longer by this share.")  # fmt: skip
@click.option("--seed", type=int, default=20, show_default=True, help="Of spreads and shares.")
@click.option("--api-key-env", metavar="VAR", help="The environment variable with the key to ask for.")
def mock_server(host: str, port: int, api_key_env: str | None, **options: Any) -> None:
    """Serve an OpenAI-compatible API that answers at known times: chat and completions, streaming or not.

    /v1/models and /health are there, too. Ctrl-C ends it.
    """
    from jobs.measure.mock_server.process import serve  # noqa: PLC0415

    try:
        behaviour = Behaviour(**options, api_key=key_of(api_key_env))
    except ValueError as error:
        raise Refusal(str(error)) from None
    shown = f"[{host}]" if ":" in host else host
    try:
        serve(behaviour, host, port, lambda bound: click.echo(f"serving http://{shown}:{bound}/v1"))
    except OSError as error:
        raise Refusal(f"--host {host} --port {port}: cannot be used: {error.strerror or error}") from None
