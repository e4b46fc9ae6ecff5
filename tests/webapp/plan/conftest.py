"""Benchmark files."""

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from webapp.plan.benchmark_file import BenchmarkFileError, read_benchmark_file
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


@pytest.fixture
def faults(write: Callable[..., Settings], tmp_path: Path) -> Callable[[str], list[str]]:
    """Returns the faults of a benchmark file, each without the file's folder."""

    def faults(text: str) -> list[str]:
        with pytest.raises(BenchmarkFileError) as caught:
            read_benchmark_file(write(text))
        return [fault.removeprefix(f"{tmp_path}/") for fault in caught.value.faults]

    return faults
