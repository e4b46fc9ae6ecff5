"""Datasets: prompts and conversations from JSONL, ShareGPT's JSON, OpenAI's batch files and CSV."""

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from time import monotonic

from llm_measure.files import reason
from llm_measure.load.datasets.files import DatasetError, objects
from llm_measure.load.datasets.rows import Row, row_of

__all__ = ["DatasetError", "Row", "check_dataset", "count_rows", "read_dataset"]

EMPTY = "empty; expected at least one prompt"
# For how long a dataset is checked before it is needed: whoever reads a plan has other things to do.
CHECK_SECONDS = 1.0


def read_dataset(path: Path) -> list[Row]:
    """Return the rows, at least one; raises DatasetError.

    Conversations without a message of the user are left out, as the published files of ShareGPT have some.
    """
    return list(_rows(*_version(path)))


def count_rows(path: Path) -> int:
    """Return the number of rows; raises DatasetError."""
    return len(_rows(*_version(path)))


def check_dataset(path: Path) -> None:
    """Raise DatasetError for an empty dataset, and for the first faulty row that is read in CHECK_SECONDS.

    Of many datasets, which a plan names, it is kept that they were right.
    """
    _check(*_version(path))


def _version(path: Path) -> tuple[Path, int, int]:
    """Return what changes with the file."""
    try:
        found = path.stat()
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {reason(error)}") from None
    return path, found.st_mtime_ns, found.st_size


@lru_cache(maxsize=256)
def _check(path: Path, changed_ns: int, size: int) -> None:
    end, is_empty = monotonic() + CHECK_SECONDS, True
    for _ in _read(path):
        is_empty = False
        if monotonic() > end:
            return
    if is_empty:
        raise DatasetError(f"{path}: {EMPTY}")


@lru_cache(maxsize=1)  # a level needs them several times, and large files take seconds
def _rows(path: Path, changed_ns: int, size: int) -> tuple[Row, ...]:
    rows = tuple(_read(path))
    if not rows:
        raise DatasetError(f"{path}: {EMPTY}")
    return rows


def _read(path: Path) -> Iterator[Row]:
    for line, value in objects(path):
        row = row_of(value, f"{path}:{line}")
        if row is not None:
            yield row
