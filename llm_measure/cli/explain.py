"""llm-measure explain."""

import click

from llm_measure.cli.errors import Command, CommandError
from llm_measure.cli.types import MetricName


@click.command("explain", cls=Command, short_help="Explain metrics.")
@click.argument("metrics", nargs=-1, type=MetricName(), metavar="[METRIC]...")
def explain(metrics: tuple[str, ...]) -> None:
    """Explain metrics, and what other tools mean by their names; all of them if none is named."""
    from llm_measure.report.explain import explanation  # noqa: PLC0415

    try:
        click.echo(explanation(metrics))
    except ValueError as error:
        raise CommandError(str(error)) from None
