"""Datasets: prompts from a JSONL file."""

import json
from pathlib import Path
from typing import Any


class DatasetError(ValueError):
    """The dataset is unusable; the message names the file and the line."""


def read_dataset(path: Path) -> list[dict[str, Any]]:
    """Return the rows: prompt (text) or messages (OpenAI's), and output_tokens where it differs.

    Raises DatasetError.
    """
    rows = []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path}: cannot be read: {error}") from None
    for number, line in enumerate(lines, 1):
        if line.strip():
            rows.append(_row(line, f"{path}:{number}"))
    if not rows:
        raise DatasetError(f"{path}: empty; expected at least one prompt")
    return rows


def _row(line: str, where: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError:
        raise DatasetError(f"{where}: not JSON") from None
    if not isinstance(row, dict) or not (isinstance(row.get("prompt"), str) or _is_conversation(row)):
        raise DatasetError(f"{where}: must be an object with prompt (text) or messages (a list)")
    tokens = row.get("output_tokens", 1)
    if not isinstance(tokens, int) or isinstance(tokens, bool) or tokens < 1:
        raise DatasetError(f"{where}: output_tokens={tokens!r}: must be a whole number of at least 1")
    return row


def _is_conversation(row: dict[str, Any]) -> bool:
    return isinstance(row.get("messages"), list) and bool(row["messages"])
