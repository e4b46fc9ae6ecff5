"""How a command refuses."""

from click.testing import Result


def assert_refused(result: Result, *words: str) -> None:
    """The command wrote one line to stderr, with the words, and ended with exit code 2."""
    assert (result.exit_code, result.stdout) == (2, ""), result.output
    (line,) = result.stderr.splitlines()
    for word in words:
        assert word in line, line
