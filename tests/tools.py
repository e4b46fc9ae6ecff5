"""Programs that tests run if they are installed."""

import os
import shutil

import pytest

# Debian keeps servers in folders that are not on everybody's PATH.
SEARCHED = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))


def find(program: str) -> str | None:
    """Return the program's path; None if it is not installed."""
    return shutil.which(program, path=SEARCHED)


def needs(program: str) -> pytest.MarkDecorator:
    """Skip a test where the program is not installed."""
    return pytest.mark.skipif(find(program) is None, reason=f"{program} not installed")
