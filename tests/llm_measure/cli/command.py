"""The command llm-measure, in the tests' own process."""

from click.testing import CliRunner, Result

from llm_measure.cli import main


def invoke(*arguments: str, **environment: str) -> Result:
    """Run the command to its end; an unexpected exception is raised."""
    result = CliRunner(env=environment).invoke(main, arguments)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result
