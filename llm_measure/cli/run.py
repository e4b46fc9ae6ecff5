"""llm-measure run: its options."""

from pathlib import Path
from typing import Any

import click

from llm_measure.cli.endpoint_options import body_options, endpoint_options, extra_body_option
from llm_measure.cli.errors import Command, CommandError
from llm_measure.cli.trace_options import trace_options
from llm_measure.cli.types import Drawn, FiniteRange, Numbers, Objectives

FORMATS = ("table", "json", "csv")


@click.command("run", cls=Command, short_help="Measure an endpoint.")
@endpoint_options(required=True)
@click.option("--input-tokens", type=Drawn(int), metavar="LENGTH",
              help="Tokens per prompt or input: N, A..B, normal:MEAN,STDDEV, lognormal:MEAN,STDDEV or"
              " file:PATH.  [default: 128]")  # fmt: skip
@click.option("--inputs", type=int, metavar="N",
              help="Texts per request of embeddings, documents of rerank.  [default: 1]")  # fmt: skip
@click.option("--no-probe", is_flag=True,
              help="Count each word as a token, instead of learning how the endpoint counts.")  # fmt: skip
@click.option("--output-tokens", type=Drawn(int), metavar="LENGTH",
              help="Maximum output tokens (max_tokens), as --input-tokens.  [default: 128]")  # fmt: skip
@body_options()
@click.option("--dataset", metavar="FILE",
              help="File of prompts: JSONL, ShareGPT's JSON, an OpenAI batch file or CSV.")  # fmt: skip
@click.option("--expects", type=click.Choice(("text", "tool", "json")), default="text", show_default=True,
              help="What valid_answers counts: calls of a tool, or JSON.")  # fmt: skip
@click.option("--answer-schema", metavar="FILE",
              help="JSON schema of the arguments or the answer.  [default: a built-in one]")  # fmt: skip
@click.option("--turns", type=Drawn(int, "all"), metavar="TURNS",
              help="Turns of each conversation: N, a distribution such as 2..6, or all that the dataset has."
              "  [default: single prompts]")  # fmt: skip
@click.option("--think-time", type=Drawn(float), metavar="SECONDS",
              help="Time from an answer to the next turn, or its distribution.  [default: 0]")  # fmt: skip
@click.option("--same-prompt", is_flag=True, help="Send the same prompt in all requests.")
@click.option("--shared-prefix", type=FiniteRange(0, 1), default=0.0, metavar="RATIO",
              help="Part of each prompt that it has in common with others.  [default: 0]")  # fmt: skip
@click.option("--prefixes", type=int, default=1, metavar="N",
              help="Number of different common beginnings.  [default: 1]")  # fmt: skip
@click.option("--seed", type=int, metavar="N",
              help="Random seed for prompts, a dataset's order and arrivals.  [default: random]")  # fmt: skip
@extra_body_option()
@click.option("--concurrency", type=Numbers(int), metavar="N,...",
              help="Requests in flight; one level per number.  [default: 1]")  # fmt: skip
@click.option("--rate", type=Numbers(float), metavar="R,...",
              help="Requests per second; one level per number.")  # fmt: skip
@click.option("--arrival", type=click.Choice(("poisson", "constant")),
              help="Arrivals of a rate.  [default: poisson]")  # fmt: skip
@trace_options()
@click.option("--sweep", is_flag=True, help="Double the concurrency until throughput stops growing.")
@click.option("--find", type=click.Choice(("rate", "concurrency")),
              help="Search for the greatest rate or concurrency at which --slo holds.")  # fmt: skip
@click.option("--confidence", type=float, metavar="RATIO",
              help="Confidence of each verdict of --find.  [default: 0.95]")  # fmt: skip
@click.option("--budget", type=int, metavar="N", help="Maximum requests of --find.  [default: 40000]")
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
              help="Bounds for slo_attainment and goodput in seconds, as in ttft=0.5,tpot=0.05; with --find,"
              " of quantiles, and of the error rate, as in ttft:p95=0.5,error_rate=0.01.")  # fmt: skip
@click.option("--processes", type=click.IntRange(1, 256), default=1, show_default=True, metavar="N",
              help="Number of client processes.")  # fmt: skip
@click.option("--format", type=click.Choice(FORMATS), default="table", show_default=True,
              help="Output format.")  # fmt: skip
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="Write to FILE instead of stdout.")  # fmt: skip
@click.option("--with-records", is_flag=True, help="Include every request in the JSON report.")
@click.option("--records", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="Write a JSON line per request to FILE, at the end of each level.")  # fmt: skip
@click.option("--plot", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="Draw the levels, or the path of --find, into FILE.svg, .png or .html.")  # fmt: skip
def run(**options: Any) -> None:
    """Measure an endpoint, level by level.

    Ctrl-C ends the measurement and reports what was measured until then. Exit codes: 0 measured, 1 a level
    without a successful response, 2 wrong options.
    """
    from llm_measure.cli.levels import measure_and_report  # noqa: PLC0415
    from llm_measure.cli.options import parse  # noqa: PLC0415

    try:
        endpoint, workload, loads, search = parse(options)
        if options["model"] is None:
            click.echo(f"measuring the model {endpoint.model}", err=True)
        succeeded = measure_and_report(endpoint, workload, search or loads, options)
    except ValueError as error:
        raise CommandError(str(error)) from None
    if not succeeded:
        raise SystemExit(1)
