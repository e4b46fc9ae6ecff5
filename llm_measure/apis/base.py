"""What a provider API is to the rest: how a request is written, and what the events of a response mean."""

from typing import Any, NamedTuple, Protocol

import msgspec

# A prompt is a text, or a conversation as a list of OpenAI's messages.
Prompt = str | list[dict[str, Any]]


class Usage(msgspec.Struct, gc=False):
    """The server's own token counts."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class Content(NamedTuple):
    """The characters that a chunk adds, by kind; any of them makes it a chunk with tokens."""

    text: int = 0
    reasoning: int = 0
    tool_calls: int = 0


class Chunk(Protocol):
    """One decoded event of a stream."""

    @property
    def content(self) -> Content:
        """What the chunk adds to the response."""

    @property
    def finish_reason(self) -> str | None:
        """Why the response ends here; None if it does not."""

    @property
    def usage(self) -> Usage | None:
        """The token counts up to here; None if the chunk reports none."""

    @property
    def error(self) -> Any:
        """What the server reports as an error; None if the chunk is none."""


class ProviderAPI(Protocol):
    """One provider API."""

    name: str  # as --api and the benchmark file name it
    operation: str  # gen_ai.operation.name of OpenTelemetry's semantic conventions
    path: str  # below the base URL, such as chat/completions
    end: bytes  # the data of the event after which nothing follows

    def headers(self, api_key: str | None) -> dict[str, str]:
        """Return the headers that authenticate a request, and others of this API."""

    def body(self, model: str, prompt: Prompt, output_tokens: int) -> dict[str, Any]:
        """Return the JSON body of a streamed request; ValueError if the API cannot take such a prompt."""

    def decode(self, data: bytes) -> Chunk:
        """Return the event's chunk; msgspec.DecodeError or UnicodeDecodeError if it is malformed."""

    def error_message(self, content: Any) -> str | None:
        """Return the message of a decoded error body; None if it holds none."""
