"""The command llm-measure. Each command imports what does its work when it runs, so that help is quick."""

import click

from llm_measure import __version__
from llm_measure.cli.check import check
from llm_measure.cli.detect import detect
from llm_measure.cli.errors import Group
from llm_measure.cli.explain import explain
from llm_measure.cli.mock_server import mock_server
from llm_measure.cli.run import run


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="llm-measure")
def main() -> None:
    """Measure how fast LLM endpoints respond."""


main.add_command(run)
main.add_command(check)
main.add_command(detect)
main.add_command(mock_server)
main.add_command(explain)
