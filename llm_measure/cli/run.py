"""llm-measure run: its options."""

from pathlib import Path
from typing import Any

import click

from llm_measure.cli.errors import Command, CommandError
from llm_measure.cli.types import JSONObject, Numbers, Objectives, ProviderAPIName
from llm_measure.metrics import METRICS

FORMATS = ("table", "json", "csv")


@click.command("run", cls=Command, short_help="Measure an endpoint.")
@click.option("--base-url", help="Base URL up to the API's version, such as http://localhost:8000/v1.")
@click.option("--model", help="Model name at the endpoint.")
@click.option("--api-key-env", metavar="VAR", help="Environment variable that holds the API key.")
@click.option("--api", type=ProviderAPIName(), default="chat", show_default=True, help="Provider API.")
@click.option("--input-tokens", type=int, help="Tokens per prompt.  [default: 128]")
@click.option(
    "--output-tokens", type=int, default=128, show_default=True, help="Maximum output tokens (max_tokens)."
)
@click.option("--dataset", metavar="FILE", help="JSONL file of prompts: prompt or messages, output_tokens.")
@click.option(
    "--same-prompt", is_flag=True, help="Send one prompt with all requests, which the server may cache."
)
@click.option("--seed", type=int, help="Random seed for prompts and arrivals.  [default: random]")
@click.option("--extra-body", type=JSONObject(), default="{}", show_default=False, metavar="JSON",
              help="JSON object to merge into each request's body; null removes a field.")  # fmt: skip
@click.option("--concurrency", type=Numbers(int), metavar="N,...", help="Requests in flight; a level each.")
@click.option("--rate", type=Numbers(float), metavar="R,...", help="Requests per second; a level each.")
@click.option(
    "--arrival", type=click.Choice(("poisson", "constant")), help="Arrivals of a rate.  [default: poisson]"
)
@click.option("--sweep", is_flag=True, help="Double the concurrency until throughput stops growing.")
@click.option(
    "--requests", type=int, help="Measured requests per level.  [default: 4 per stream, at least 32]"
)
@click.option("--duration", type=float, metavar="SECONDS", help="Time for which requests are sent per level.")
@click.option("--warmup", type=int, help="Requests sent first and not measured.  [default: 1 per stream]")
@click.option("--timeout", type=float, default=60.0, show_default=True, metavar="SECONDS",
              help="Timeout of a whole request.")  # fmt: skip
@click.option("--slo", type=Objectives(), default={}, show_default=False, metavar="METRIC=BOUND,...",
              help=f"Objectives, in seconds: {', '.join(METRICS.objectives)}.")  # fmt: skip
@click.option("--processes", type=click.IntRange(1, 256), default=1, show_default=True,
              help="Number of client processes.")  # fmt: skip
@click.option(
    "--format", "form", type=click.Choice(FORMATS), default="table", show_default=True, help="Output format."
)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="Write to FILE instead of stdout.")  # fmt: skip
@click.option("--records", is_flag=True, help="Include every request in the JSON.")
def run(**options: Any) -> None:
    """Measure an endpoint, level by level.

    Ctrl-C ends the measurement and shows what was measured until then. Exit codes: 0 measured, 1 a level
    without one correct response, 2 wrong options.
    """
    from llm_measure.cli.levels import measure_levels  # noqa: PLC0415
    from llm_measure.cli.options import parse  # noqa: PLC0415

    try:
        endpoint, workload, loads = parse(options)
    except ValueError as error:
        raise CommandError(str(error)) from None
    if not measure_levels(endpoint, workload, loads, options):
        raise SystemExit(1)
