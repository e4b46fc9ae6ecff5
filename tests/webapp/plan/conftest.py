"""Benchmark files."""

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from webapp.settings import Settings

LEAST = {"API_KEY": "key", "POSTGRES_HOST": "db", "REDIS_HOST": "cache"}


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Settings]:
    """Writes a benchmark file; returns settings that name it."""

    def write(text: str, **more: str) -> Settings:
        path = tmp_path / "benchmark.yml"
        path.write_text(dedent(text))
        return Settings.from_env({**LEAST, "BENCHMARK_FILE": str(path), **more})

    return write
