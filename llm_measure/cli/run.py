"""llm-measure run: its options."""

from pathlib import Path
from typing import Any

import click

from llm_measure.cli.errors import Command, CommandError
from llm_measure.cli.types import Header, JSONObject, KeyVariable, Numbers, Objectives, ProviderAPIName

FORMATS = ("table", "json", "csv")


@click.command("run", cls=Command, short_help="Measure an endpoint.")
@click.option("--base-url", required=True, metavar="URL",
              help="Base URL up to the API's version, such as http://localhost:8000/v1.")  # fmt: skip
@click.option("--model", metavar="NAME",
              help="Model name at the endpoint.  [default: the one that it lists]")  # fmt: skip
@click.option("--api-key-env", "api_key", type=KeyVariable(), metavar="VAR",
              help="Environment variable that holds the API key.")  # fmt: skip
@click.option(
    "--key-header", metavar="NAME", help="Header that the API key is sent in.  [default: the API's]"
)
@click.option("--key-scheme", metavar="NAME",
              help="Scheme before the API key.  [default: Bearer in Authorization, else none]")  # fmt: skip
@click.option("--header", type=Header(), multiple=True, metavar="'NAME: VALUE'",
              help="Header of each request; ${VAR} names an environment variable. Repeatable.")  # fmt: skip
@click.option("--api", type=ProviderAPIName(), default="chat", show_default=True,
              help="Provider API; messages is Anthropic's.")  # fmt: skip
@click.option("--input-tokens", type=int, metavar="N", help="Tokens per prompt or input.  [default: 128]")
@click.option("--inputs", type=int, metavar="N",
              help="Texts per request of embeddings, documents of rerank.  [default: 1]")  # fmt: skip
@click.option("--output-tokens", type=int, metavar="N",
              help="Maximum output tokens (max_tokens).  [default: 128]")  # fmt: skip
@click.option("--max-tokens-field", default="max_tokens", show_default=True,
              type=click.Choice(("max_tokens", "max_completion_tokens", "none")),
              help="Field that asks for the maximum; none to ask for no maximum.")  # fmt: skip
@click.option("--no-stream-usage", is_flag=True,
              help="Leave out stream_options, which asks for the server's token counts.")  # fmt: skip
@click.option("--dataset", metavar="FILE",
              help="JSONL file of prompts: prompt or messages, output_tokens.")  # fmt: skip
@click.option("--same-prompt", is_flag=True, help="Send the same prompt in all requests.")
@click.option("--seed", type=int, metavar="N",
              help="Random seed for prompts, a dataset's order and arrivals.  [default: random]")  # fmt: skip
@click.option("--extra-body", type=JSONObject(), metavar="JSON",
              help="JSON object to merge into each request's body; null removes a field.")  # fmt: skip
@click.option("--concurrency", type=Numbers(int), metavar="N,...",
              help="Requests in flight; one level per number.  [default: 1]")  # fmt: skip
@click.option("--rate", type=Numbers(float), metavar="R,...",
              help="Requests per second; one level per number.")  # fmt: skip
@click.option("--arrival", type=click.Choice(("poisson", "constant")),
              help="Arrivals of a rate.  [default: poisson]")  # fmt: skip
@click.option("--sweep", is_flag=True, help="Double the concurrency until throughput stops growing.")
@click.option("--requests", type=int, metavar="N",
              help="Measured requests per level.  [default: 4 per stream, at least 32]")  # fmt: skip
@click.option("--duration", type=float, metavar="SECONDS",
              help="Time to send requests per level, instead of a number of requests.")  # fmt: skip
@click.option("--warmup", type=int, metavar="N",
              help="Requests to send first and not measure.  [default: 1 per stream]")  # fmt: skip
@click.option("--timeout", type=float, default=60.0, show_default=True, metavar="SECONDS",
              help="Timeout of a whole request.")  # fmt: skip
@click.option("--give-up-after", type=click.IntRange(min=0), default=5, show_default=True, metavar="N",
              help="Failures that end the run if every request fails alike, with a 4xx or without a"
              " connection; 0 to continue.")  # fmt: skip
@click.option("--slo", type=Objectives(), metavar="METRIC=BOUND,...",
              help="Bounds for slo_attainment and goodput in seconds, as in ttft=0.5,tpot=0.05.")  # fmt: skip
@click.option("--processes", type=click.IntRange(1, 256), default=1, show_default=True, metavar="N",
              help="Number of client processes.")  # fmt: skip
@click.option("--format", type=click.Choice(FORMATS), default="table", show_default=True,
              help="Output format.")  # fmt: skip
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="Write to FILE instead of stdout.")  # fmt: skip
@click.option("--with-records", is_flag=True, help="Include every request in the JSON report.")
@click.option("--records", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="Write a JSON line per request to FILE, at the end of each level.")  # fmt: skip
def run(**options: Any) -> None:
    """Measure an endpoint, level by level.

    Ctrl-C ends the measurement and reports what was measured until then. Exit codes: 0 measured, 1 a level
    without a successful response, 2 wrong options.
    """
    from llm_measure.cli.levels import measure_and_report  # noqa: PLC0415
    from llm_measure.cli.options import parse  # noqa: PLC0415

    try:
        endpoint, workload, loads = parse(options)
        if options["model"] is None:
            click.echo(f"measuring the model {endpoint.model}", err=True)
        succeeded = measure_and_report(endpoint, workload, loads, options)
    except ValueError as error:
        raise CommandError(str(error)) from None
    if not succeeded:
        raise SystemExit(1)
