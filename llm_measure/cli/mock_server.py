"""llm-measure mock-server: its options."""

from typing import Any

import click

from llm_measure.cli.errors import Command, CommandError
from llm_measure.cli.types import KeyVariable, Numbers
from llm_measure.mock_server.behaviour import Behaviour


@click.command("mock-server", cls=Command, short_help="Serve an API whose times are known.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True, metavar="N",
              help="Port; 0 takes a free one.")  # fmt: skip
@click.option("--ttft", type=float, default=0.2, show_default=True, metavar="SECONDS",
              help="Time to the first token, or to an answer without a stream.")  # fmt: skip
@click.option("--ttft-std", type=float, default=0.0, show_default=True, metavar="SECONDS",
              help="Standard deviation of --ttft.")  # fmt: skip
@click.option("--itl", type=float, default=0.01, show_default=True, metavar="SECONDS",
              help="Time from token to token.")  # fmt: skip
@click.option("--itl-std", type=float, default=0.0, show_default=True, metavar="SECONDS",
              help="Standard deviation of --itl.")  # fmt: skip
@click.option("--output-tokens", type=int, metavar="N",
              help="Maximum output tokens.  [default: as many as requested]")  # fmt: skip
@click.option("--chunk-tokens", type=Numbers(int), default="1", show_default=True, metavar="N,...",
              help="Tokens of each chunk in turn, such as 1,4,2.")  # fmt: skip
@click.option("--split-tokens", is_flag=True, help="Send each token in two chunks, half of --itl apart.")
@click.option("--split-characters", type=click.Choice(["withheld", "empty", "replaced"]),
              help="Write some characters of two tokens, whose first one is sent like this.")  # fmt: skip
@click.option("--buffer-chunks", type=int, default=1, show_default=True, metavar="N",
              help="Chunks that are held back and sent together.")  # fmt: skip
@click.option("--role-first", is_flag=True, help="Start immediately with a chunk that holds the role alone.")
@click.option("--reasoning-tokens", type=int, default=0, show_default=True, metavar="N",
              help="Output tokens that are reasoning.")  # fmt: skip
@click.option("--reasoning", type=click.Choice(["streamed", "hidden", "uncounted"]), default="streamed",
              show_default=True,
              help="Stream and count reasoning, only count it, or only stream it.")  # fmt: skip
@click.option("--count-eos", is_flag=True, help="Count the token that ends the sequence.")
@click.option("--usage", type=click.Choice(["requested", "zeros", "none"]), default="requested",
              show_default=True,
              help="Report token counts as requested, zeros until the last chunk, or none.")  # fmt: skip
@click.option("--template-tokens", type=int, default=0, show_default=True, metavar="N",
              help="Prompt tokens that a chat template adds.")  # fmt: skip
@click.option("--tokens-per-word", type=float, default=1.0, show_default=True, metavar="RATIO",
              help="Prompt tokens per word of the prompt.")  # fmt: skip
@click.option("--cached-tokens", type=int, default=0, show_default=True, metavar="N",
              help="Prompt tokens reported as cached.")  # fmt: skip
@click.option("--invalid-answers", type=float, default=0.0, show_default=True, metavar="RATIO",
              help="Ratio of calls of tools, and of answers in JSON, that are cut short.")  # fmt: skip
@click.option("--hold-open", type=float, default=0.0, show_default=True, metavar="SECONDS",
              help="Time for which the body stays open after the last event.")  # fmt: skip
@click.option("--error-rate", type=float, default=0.0, show_default=True, metavar="RATIO",
              help="Ratio of requests answered with 500.")  # fmt: skip
@click.option("--rate-limit-rate", type=float, default=0.0, show_default=True, metavar="RATIO",
              help="Ratio of requests answered with 429.")  # fmt: skip
@click.option("--stall-rate", type=float, default=0.0, show_default=True, metavar="RATIO",
              help="Ratio of responses that stop half way.")  # fmt: skip
@click.option("--truncate-rate", type=float, default=0.0, show_default=True, metavar="RATIO",
              help="Ratio of responses cut off within a chunk.")  # fmt: skip
@click.option("--servers", type=int, metavar="N",
              help="Requests served at a time; the others wait in order.  [default: all]")  # fmt: skip
@click.option("--service-cv", type=float, default=0.0, show_default=True, metavar="RATIO",
              help="Coefficient of variation of requests' times, 1 for exponential ones.")  # fmt: skip
@click.option("--slowdown-per-stream", type=float, default=0.0, show_default=True, metavar="RATIO",
              help="Ratio by which each stream in flight prolongs the times of the next.")  # fmt: skip
@click.option("--seed", type=int, default=20, show_default=True, metavar="N",
              help="Random seed for deviations and ratios.")  # fmt: skip
@click.option("--api-key-env", "api_key", type=KeyVariable(), metavar="VAR",
              help="Environment variable that holds the key clients must send.")  # fmt: skip
@click.option("--control", is_flag=True, help="Let clients read and change these options at /control.")
def mock_server(host: str, port: int, **options: Any) -> None:
    """Serve the APIs of OpenAI, Azure, Anthropic, Google and Amazon, streamed or not, at known times.

    Embeddings and rerank are answered after --ttft. Also serves /v1/models and /health. Ctrl-C ends it.
    """
    from llm_measure.mock_server.process import serve  # noqa: PLC0415

    try:
        behaviour = Behaviour(**options)
    except ValueError as error:
        raise CommandError(str(error)) from None
    shown = f"[{host}]" if ":" in host else host
    try:
        serve(behaviour, host, port, lambda bound: click.echo(f"serving http://{shown}:{bound}/v1"))
    except OSError as error:
        reason = error.strerror or error
        raise CommandError(f"--host {host} --port {port}: cannot be used: {reason}") from None
