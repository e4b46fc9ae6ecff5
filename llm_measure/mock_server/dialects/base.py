"""What a dialect is to the mock server: the events and bodies of one API."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from llm_measure.mock_server.chunks import Chunk, Said


@dataclass(frozen=True)
class Counts:
    """Token counts up to some point of an answer."""

    prompt: int
    cached: int  # of the prompt
    output: int  # with all reasoning
    counted: int  # of the output, as the server counts it
    reasoning: int  # of the output


class Request(msgspec.Struct):
    """What the mock server reads of a request."""

    model: str
    prompt_tokens: int  # number of words, which count as tokens
    stream: bool
    maximum: int | None  # of output tokens
    usage_last: bool  # whether the stream's end has the usage
    usage_each: bool = False  # whether each event has
    said: Said = "words"  # what the answer must be


class Dialect(Protocol):
    """One API. Methods of streams return events as bytes."""

    content_type: str  # of a stream
    always_opens: bool  # whether a stream has its opening even where that comes with the first token
    always_counts: bool  # whether usage is reported without being asked for

    def request(self, body: bytes, model: str | None) -> Request:
        """Return the request; `model` is the one of the path, if there is any.

        Raises msgspec.DecodeError, UnicodeDecodeError, or ValueError with what is wrong.
        """

    def opening(self, model: str, counts: Counts | None) -> list[bytes]:
        """Return the events before any token; none if the API has none."""

    def chunk(self, model: str, chunk: Chunk, begins: bool, counts: Counts | None) -> list[bytes]:
        """Return the events of a chunk; `begins` says that it is the first of its block."""

    def closing(
        self, model: str, block: int | None, is_cut: bool, counts: Counts | None, final: Counts | None
    ) -> list[bytes]:
        """Return the events after the last chunk, of this block; None if there was no chunk.

        `counts` are those that each event has, `final` those that the end of the stream has.
        """

    def whole(
        self, model: str, text: str, reasoning: str, is_cut: bool, counts: Counts | None
    ) -> dict[str, Any]:
        """Return the body of a response that is not streamed."""

    def error(self, status: int, reason: str, message: str) -> dict[str, Any]:
        """Return the body of a response with this status, whose name is `reason`."""


EVENT_STREAM = "text/event-stream; charset=utf-8"


def words(texts: Iterable[Any]) -> int:
    """Return the number of words in those that are texts."""
    return sum(len(text.split()) for text in texts if isinstance(text, str))


def texts_of(content: Any) -> Iterator[Any]:
    """Yield the texts of a message's content: itself, or those of its parts."""
    for part in content if isinstance(content, list) else [{"text": content}]:
        if isinstance(part, dict):
            yield part.get("text")


def event(content: dict[str, Any], name: str | None = None) -> bytes:
    """Return a server-sent event with this JSON."""
    line = f"event: {name}\n".encode() if name else b""
    return line + b"data: " + json.dumps(content, separators=(",", ":")).encode() + b"\n\n"
