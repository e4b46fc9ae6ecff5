"""The command llm-measure. What does the work is imported when a command runs, so that help is quick."""

import click

from llm_measure.cli.errors import CommandError, Group
from llm_measure.cli.mock_server import mock_server
from llm_measure.cli.run import run
from llm_measure.version import __version__


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.version_option(__version__, prog_name="llm-measure")
def main() -> None:
    """Measure how fast LLM endpoints answer."""


@main.command()
@click.argument("metrics", nargs=-1, metavar="[METRIC]...")
def explain(metrics: tuple[str, ...]) -> None:
    """Explain metrics, and what other tools mean by their names."""
    from llm_measure.metrics import METRICS  # noqa: PLC0415
    from llm_measure.report import explain as report  # noqa: PLC0415

    for name in metrics:
        if name not in METRICS:
            raise CommandError(f"METRIC {name!r}: unknown metric; expected one of {', '.join(METRICS.names)}")
    click.echo(report.explain(metrics))


main.add_command(run)
main.add_command(mock_server)
