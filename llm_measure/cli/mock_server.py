"""llm-measure mock-server: its options."""

from typing import Any

import click

from llm_measure.cli.errors import Command, CommandError
from llm_measure.cli.options import key_of
from llm_measure.mock_server.behaviour import Behaviour


@click.command("mock-server", cls=Command, short_help="Serve an API whose times are known.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="Port; 0 takes a free one."
)
@click.option("--ttft", type=float, default=0.2, show_default=True, help="Seconds to the first token.")
@click.option("--ttft-std", type=float, default=0.0, show_default=True, help="Standard deviation of --ttft.")
@click.option("--itl", type=float, default=0.01, show_default=True, help="Seconds from token to token.")
@click.option("--itl-std", type=float, default=0.0, show_default=True, help="Standard deviation of --itl.")
@click.option("--output-tokens", type=int, help="Maximum output tokens.  [default: as many as requested]")
@click.option("--chunk-tokens", type=int, default=1, show_default=True, help="Tokens per chunk.")
@click.option("--role-first", is_flag=True, help="Start immediately with a chunk that holds the role alone.")
@click.option(
    "--reasoning-tokens", type=int, default=0, show_default=True, help="Output tokens that are reasoning."
)
@click.option("--no-usage", is_flag=True, help="Report no token counts.")
@click.option(
    "--error-rate", type=float, default=0.0, show_default=True, help="Ratio of requests answered with 500."
)
@click.option("--rate-limit-rate", type=float, default=0.0, show_default=True,
              help="Ratio of requests answered with 429.")  # fmt: skip
@click.option("--stall-rate", type=float, default=0.0, show_default=True,
              help="Ratio of responses that stop half way.")  # fmt: skip
@click.option("--truncate-rate", type=float, default=0.0, show_default=True,
              help="Ratio of responses cut off within a chunk.")  # fmt: skip
@click.option("--slowdown-per-stream", type=float, default=0.0, show_default=True,
              help="Ratio by which each stream in flight prolongs the times of the next.")  # fmt: skip
@click.option(
    "--seed", type=int, default=20, show_default=True, help="Random seed for deviations and ratios."
)
@click.option(
    "--api-key-env", metavar="VAR", help="Environment variable that holds the key clients must send."
)
def mock_server(host: str, port: int, api_key_env: str | None, **options: Any) -> None:
    """Serve an OpenAI-compatible API that answers at known times: chat and completions, streaming or not.

    Also serves /v1/models and /health. Ctrl-C ends it.
    """
    from llm_measure.mock_server.process import serve  # noqa: PLC0415

    try:
        behaviour = Behaviour(**options, api_key=key_of(api_key_env))
    except ValueError as error:
        raise CommandError(str(error)) from None
    shown = f"[{host}]" if ":" in host else host
    try:
        serve(behaviour, host, port, lambda bound: click.echo(f"serving http://{shown}:{bound}/v1"))
    except OSError as error:
        reason = error.strerror or error
        raise CommandError(f"--host {host} --port {port}: cannot be used: {reason}") from None
