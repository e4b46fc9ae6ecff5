"""What a provider API is to the rest: how a request is written, and what the events of a response mean."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal, NamedTuple, Protocol, runtime_checkable

import msgspec

from llm_measure.framing import Framing
from llm_measure.limits import MAX_TOKENS

# A prompt is a text, or a conversation as a list of OpenAI's messages.
Prompt = str | list[dict[str, Any]]

# Of messages that instruct the model.
SYSTEM_ROLES = ("system", "developer")
# Stop reasons that Anthropic's and Amazon's APIs share, in OpenAI's words, by which reports count and tokens
# are attributed.
STOP_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
}

# What an answer can be asked to be in addition to a text: a call of a tool, or JSON, each by a schema.
Answer = Literal["tool", "json"]

# What a chunk adds: the `size` of text, of reasoning and of tool calls, and the finish reason, if any.
Content = tuple[int, int, int, str | None]


class Piece(NamedTuple):
    """What an event says: a piece of the answer's text, or of a call of a tool."""

    text: str = ""
    call: Any = None  # distinguishes the call within the response; None for a text
    name: str = ""
    arguments: str = ""  # a piece of their JSON


TokenCount = Annotated[int, msgspec.Meta(ge=0, le=MAX_TOKENS)]
# Fields with text within parts of a message, as servers name them, and of a call.
TEXT_FIELDS = frozenset(("text", "content", "summary", "thinking", "data", "name", "arguments"))


def messages_of(prompt: Prompt) -> list[dict[str, Any]]:
    """Return the messages of the prompt; a text is one of the user."""
    return [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt


def refuse_blank_answers(api: str, messages: list[dict[str, Any]]) -> None:
    """Raise ValueError for a blank message of the assistant, which some APIs refuse with a 400."""
    for message in messages:
        content = message.get("content")
        if message.get("role") == "assistant" and isinstance(content, str) and not content.strip():
            raise ValueError(f"the {api} API takes no blank answer; expected a text")


class Usage(msgspec.Struct, gc=False):
    """The server's own token counts; None where it says nothing usable.

    Cached and reasoning tokens are reported in several places, of which any that holds a count is read.
    """

    prompt_tokens: TokenCount | None = None
    completion_tokens: TokenCount | None = None
    total: Any = msgspec.field(default=None, name="total_tokens")
    cached: Any = msgspec.field(default=None, name="cached_tokens")
    reasoning: Any = msgspec.field(default=None, name="reasoning_tokens")
    prompt_details: Any = msgspec.field(default=None, name="prompt_tokens_details")
    cache_hit: Any = msgspec.field(default=None, name="prompt_cache_hit_tokens")  # DeepSeek's
    completion_details: Any = msgspec.field(default=None, name="completion_tokens_details")

    @property
    def total_tokens(self) -> int | None:
        """The tokens of prompt and output."""
        return token_count(self.total)

    @property
    def cached_tokens(self) -> int | None:
        """The tokens of the prompt that were in a cache."""
        return _first_count(_within(self.prompt_details, "cached_tokens"), self.cache_hit, self.cached)

    @property
    def reasoning_tokens(self) -> int | None:
        """The tokens of reasoning."""
        return _first_count(_within(self.completion_details, "reasoning_tokens"), self.reasoning)

    def over(self, earlier: "Usage") -> "Usage":
        """Return these counts, and the earlier ones where they are missing or zero."""
        if self.prompt_tokens and self.completion_tokens and self.total and earlier.is_bare:
            return self
        pairs = ((getattr(self, name), getattr(earlier, name)) for name in COUNTS)
        return Usage(*(own or (own if former is None else former) for own, former in pairs))

    @property
    def is_bare(self) -> bool:
        """Whether nothing is known of cached tokens and reasoning, as in most chunks with a usage."""
        return (
            self.prompt_details is None
            and self.completion_details is None
            and self.cached is None
            and self.reasoning is None
            and self.cache_hit is None
        )


COUNTS = ("prompt_tokens", "completion_tokens", "total_tokens", "cached_tokens", "reasoning_tokens")


def token_count(value: Any) -> int | None:
    """Return a plausible number of tokens, also if it came as 10.0; None for anything else."""
    is_count = type(value) in (int, float) and 0 <= value <= MAX_TOKENS and value == int(value)
    return int(value) if is_count else None


def _first_count(*values: Any) -> int | None:
    counts = [count for value in values if (count := token_count(value)) is not None]
    return next(filter(None, counts), counts[0] if counts else None)


def _within(details: Any, name: str) -> Any:
    return details.get(name) if isinstance(details, dict) else None


def text_of(value: Any) -> str:
    """Return a text as it is, and nothing for anything else."""
    return value if isinstance(value, str) else ""


def size(text: Any) -> int:
    """Return a measure of the tokens that the text may hold; of a list or an object, of all texts in it.

    It is the length with characters other than ASCII escaped, since tokenizers need more tokens for these.
    That is no less than the bytes in UTF-8, and so than the tokens.
    """
    if isinstance(text, str):
        return len(text) if text.isascii() else len(text.encode("unicode_escape"))
    if isinstance(text, dict):
        return sum(size(value) for name, value in text.items() if name in TEXT_FIELDS)
    return sum(map(size, text)) if isinstance(text, list) else 0


class Chunk(Protocol):
    """One decoded event of a stream."""

    def content(self) -> Content:
        """Return what the chunk adds to the response; any bytes make it a chunk with tokens."""

    @property
    def usage(self) -> Usage | None:
        """The token counts up to here; None if the chunk reports none. Read after `content`."""

    @property
    def error(self) -> Any:
        """The error that the chunk reports, see `StreamingAPI.stream_error`; empty if it reports none.

        Read after `content`, which may find it within a choice.
        """


class StreamingAPI(Protocol):
    """A provider API that generates: its responses are streams of events."""

    name: str  # as --api and the benchmark file name it
    operation: str  # gen_ai.operation.name of OpenTelemetry's semantic conventions

    @property
    def framing(self) -> Framing:
        """How events are found in a response."""

    @property
    def end(self) -> bytes | None:
        """The data of the event after which nothing follows; None if the body's end says so."""

    @property
    def maximum_field(self) -> tuple[str, ...]:
        """Where the body has the maximum of output tokens, such as ("max_tokens",)."""

    @property
    def usage_field(self) -> str | None:
        """The field of the body that asks for token counts; None if they come without it."""

    def path(self, model: str) -> str:
        """Return the path below the base URL, such as chat/completions, and any query.

        With a slash in front, it is the path from the service's root: the base URL may end with a beginning
        of it. A parameter that is also in the base URL's query is the one from there.
        """

    def headers(self, api_key: str | None) -> dict[str, str]:
        """Return the headers that authenticate a request, and others of this API."""

    def body(self, model: str, prompt: Prompt, output_tokens: int) -> dict[str, Any]:
        """Return the JSON body of a streamed request; ValueError if the API cannot take such a prompt."""

    def expecting(self, kind: Answer, name: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
        """Return what is merged into the body so that the answer is a call of the tool, or JSON.

        ValueError if the API cannot ask for that.
        """

    def decode(self, data: bytes, /) -> Chunk:
        """Return the event's chunk; msgspec.DecodeError or UnicodeDecodeError if it is malformed."""

    def pieces(self, event: dict[str, Any]) -> Iterator[Piece]:
        """Yield what the decoded event says; reasoning and what the server's own tools do are left out.

        Any exception means that the event has another shape than the API's.
        """

    def model(self, data: bytes) -> str | None:
        """Return the model that the event names as the one that answers; None if it names none."""

    def flat_error(self, data: bytes) -> Any:
        """Return the error that an event is that holds nothing else of a chunk; empty if it is none."""

    def error_message(self, content: Any) -> str | None:
        """Return the message of a decoded error body; None if it holds none."""

    def stream_error(self, error: Any) -> tuple[int, str]:
        """Return the HTTP status that a chunk's error amounts to, and its message."""


class Signer(Protocol):
    """Signs requests, one by one and shortly before they are sent."""

    @property
    def secrets(self) -> tuple[str | None, ...]:
        """What no text may show."""

    def signed(self, request: bytes) -> bytes:
        """Return the request, head and body, with the headers that sign it; ValueError if it cannot be."""


@runtime_checkable
class SignedAPI(Protocol):
    """A provider API whose requests are signed unless they have a key."""

    def signer(self, base_url: str) -> Signer:
        """Return what signs its requests; ValueError if something for it is missing."""
