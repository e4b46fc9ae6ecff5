"""What a dialect is to the mock server: the events and bodies of one API."""

import json
from dataclasses import dataclass
from typing import Any, Protocol

from llm_measure.mock_server.chunks import Chunk


@dataclass(frozen=True)
class Counts:
    """Token counts up to some point of an answer."""

    prompt: int
    cached: int  # of the prompt
    output: int  # with all reasoning
    counted: int  # of the output, as the server counts it
    reasoning: int  # of the output


class Dialect(Protocol):
    """One API. Methods of streams return server-sent events as bytes."""

    always_opens: bool  # whether a stream has its opening even where that comes with the first token
    always_counts: bool  # whether usage is reported without being asked for
    needs_maximum: bool  # whether a request must limit the output tokens

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


def event(content: dict[str, Any], name: str | None = None) -> bytes:
    """Return a server-sent event with this JSON."""
    line = f"event: {name}\n".encode() if name else b""
    return line + b"data: " + json.dumps(content, separators=(",", ":")).encode() + b"\n\n"
