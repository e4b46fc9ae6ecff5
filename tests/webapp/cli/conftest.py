"""The `flask` command."""

from collections.abc import Callable

import pytest
from click.testing import Result
from flask import Flask


@pytest.fixture
def flask(app: Flask) -> Callable[..., Result]:
    """Runs `flask ARGUMENTS...` within this process."""
    runner = app.test_cli_runner()
    return lambda *arguments, **options: runner.invoke(args=list(map(str, arguments)), **options)
