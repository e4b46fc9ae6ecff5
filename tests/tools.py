"""Programs of the system that some tests need."""

import os
import shutil

import pytest

PATH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"))


def program(name: str) -> str | None:
    """Return the path of a program; None if it is not installed."""
    return shutil.which(name, path=PATH)


def needs(name: str) -> pytest.MarkDecorator:
    """Skip the test if the program is not installed."""
    return pytest.mark.skipif(program(name) is None, reason=f"{name} not installed")
