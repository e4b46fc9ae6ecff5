"""What was found out about an endpoint."""

import json
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from llm_measure.endpoints import Endpoint

Verdict = Literal["usable", "change", "fails"]
Key = Literal["accepted", "not needed", "refused"]
Stream = Literal["streams", "buffers", "does not stream", "breaks off"]
Reasoning = Literal["none", "streamed", "hidden"]
Cache = Literal["cached_tokens", "ttft", "not seen"]
FLAGS = {("stream_usage", "false"): "--no-stream-usage"}


@dataclass(frozen=True)
class Target:
    """An endpoint to examine."""

    name: str
    endpoint: Endpoint | None  # None: see `problem`
    problem: str | None = None  # why it cannot be asked
    place: int | None = None  # in the file's list of LLMs
    model_is_open: bool = False  # whether the one that the endpoint lists is meant


@dataclass
class Finding:
    """What is known of an endpoint; None where nothing is."""

    name: str
    base_url: str | None = None
    model: str | None = None
    reachable: bool | None = None
    key: Key | None = None
    model_known: bool | None = None
    models: list[str] = field(default_factory=list)  # those that the endpoint lists, if it was asked
    stream: Stream | None = None
    usage: bool | None = None  # whether it reports token counts
    reasoning: Reasoning | None = None
    cache: Cache | None = None  # by what a repeated prompt shows it
    ttft_s: float | None = None  # median
    words: int | None = None  # of a prompt
    prompt_tokens: int | None = None  # as it counts that prompt
    template_tokens: int | None = None
    tokens_per_word: float | None = None
    requests: int = 0
    changes: dict[str, Any] = field(default_factory=dict)  # of the endpoint's fields, each tried
    advice: list[str] = field(default_factory=list)  # what else to set
    problem: str | None = None  # why it cannot be measured
    place: int | None = field(default=None, repr=False)

    @property
    def verdict(self) -> Verdict:
        """Whether it is usable as it is, after the changes, or fails."""
        if self.problem is not None:
            return "fails"
        return "change" if self.changes else "usable"


def set_fields(changes: dict[str, Any]) -> Iterator[str]:
    """Yield what to set in the benchmark file."""
    return (f"set {change}" for change in fields_to_set(changes))


def written_fields(changes: dict[str, Any]) -> Iterator[str]:
    """Yield what was set there."""
    return (f"wrote {change}" for change in fields_to_set(changes))


def fields_to_set(changes: dict[str, Any]) -> Iterator[str]:
    """Yield each change as the benchmark file has it."""
    for name, value in changes.items():
        text = value if isinstance(value, str) else json.dumps(value)
        yield f"{name}: {text}"


def set_options(changes: dict[str, Any]) -> Iterator[str]:
    """Yield what to set as options of the command."""
    for name, value in changes.items():
        text = value if isinstance(value, str) else json.dumps(value)
        option = f"--{name.replace('_', '-')} {shlex.quote(text)}"
        yield f"set {FLAGS.get((name, text), option)}"
