"""The options that replay a trace."""

from typing import Any

import click

from llm_measure.cli.endpoint_options import Decorator, all_of
from llm_measure.cli.types import Numbers, Window

# What a trace decides, and what would have no meaning with it.
EXCLUDED = ("dataset", "input_tokens", "output_tokens", "same_prompt", "inputs", "concurrency", "rate",
            "arrival", "sweep", "duration", "warmup", "turns")  # fmt: skip


def trace_options() -> Decorator:
    """Return a decorator that adds --trace, --speed and --window."""
    return all_of(
        click.option("--trace", metavar="FILE",
                     help="Trace to replay, up to --requests: Mooncake's JSONL, Azure's or BurstGPT's CSV."),
        click.option("--speed", type=Numbers(float), metavar="X,...",
                     help="Speed of the trace, such as 2 for twice as fast; one level per number."
                     "  [default: 1]"),
        click.option("--window", type=Window(), metavar="FROM..TO",
                     help="Seconds of the trace to replay, as in 60..360.  [default: all]"),
    )  # fmt: skip


def check_trace_options(options: dict[str, Any]) -> None:
    """Raise ValueError for options that contradict each other."""
    if options["trace"] is None:
        for name in ("speed", "window"):
            if options[name] is not None:
                raise ValueError(f"--{name}: needs --trace")
        return
    for name in EXCLUDED:
        if options[name] is not None and options[name] is not False:
            raise ValueError(f"--{name.replace('_', '-')}: does not apply to --trace")
