"""Datasets: prompts from a JSONL file."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from llm_measure.apis.base import Prompt


class DatasetError(ValueError):
    """The dataset is unusable; the message names the file and the line."""


class Row(NamedTuple):
    """One prompt, and the maximum of output tokens if the row sets it."""

    prompt: Prompt
    output_tokens: int | None
    turns: tuple[Any, ...] | None = None  # what the user says, one after another; None if only once


def read_dataset(path: Path) -> list[Row]:
    """Return the rows, at least one. Each line holds an object with `prompt` (text) or `messages` (OpenAI's).

    Raises DatasetError.
    """
    rows = [_row(line, f"{path}:{number}") for number, line in _lines(path)]
    if not rows:
        raise DatasetError(f"{path}: empty; expected at least one prompt")
    return rows


def count_rows(path: Path) -> int:
    """Return the number of rows of a usable dataset; raises DatasetError if it cannot be read."""
    return sum(1 for _ in _lines(path))


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield each line that is not blank, with its number."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path}: cannot be read: {error}") from None
    # Not splitlines(): JSON may hold other line separators, such as U+2028 in a text, or CR between tokens.
    yield from ((number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip())


def _row(line: str, where: str) -> Row:
    try:
        row = json.loads(line)
    except ValueError:
        raise DatasetError(f"{where}: not JSON") from None
    prompt = _prompt(row)
    if prompt is None:
        raise DatasetError(f"{where}: must be an object with prompt (text) or messages (a list)")
    tokens = row.get("output_tokens")
    if tokens is not None and (not isinstance(tokens, int) or isinstance(tokens, bool) or tokens < 1):
        raise DatasetError(f"{where}: output_tokens={tokens!r}: must be a whole number of at least 1")
    return Row(prompt, tokens, _turns(prompt))


def _turns(prompt: Prompt) -> tuple[Any, ...] | None:
    if isinstance(prompt, str):
        return None
    said = (message for message in prompt if isinstance(message, dict) and message.get("role") == "user")
    turns = tuple(message.get("content") for message in said)
    return turns if len(turns) > 1 else None


def _prompt(row: Any) -> Prompt | None:
    if not isinstance(row, dict):
        return None
    if isinstance(messages := row.get("messages"), list) and messages:
        return messages
    return prompt if isinstance(prompt := row.get("prompt"), str) else None
