"""Python in processes that find llm_measure wherever they are started."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import llm_measure

ROOT = Path(llm_measure.__file__).parents[1]


def run_python(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess:
    """Run it to its end."""
    return subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@contextmanager
def python(*arguments: str | Path) -> Iterator[subprocess.Popen]:
    """Start it; it is killed at the end if it still runs."""
    process = subprocess.Popen(
        [sys.executable, *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()
