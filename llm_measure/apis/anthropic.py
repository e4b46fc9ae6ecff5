"""Anthropic's Messages: https://platform.claude.com/docs/en/build-with-claude/streaming."""

from collections.abc import Iterator
from typing import Any

import msgspec

from llm_measure.apis.base import (
    STOP_REASONS,
    SYSTEM_ROLES,
    Answer,
    Content,
    Piece,
    Prompt,
    TokenCount,
    Usage,
    messages_of,
    refuse_blank_answers,
    size,
    text_of,
    token_count,
)
from llm_measure.apis.errors import message_of
from llm_measure.framing import Framing, sse

VERSION = "2023-06-01"
ROLES = ("user", "assistant")
# Others remain as they are.
FINISH_REASONS = {**STOP_REASONS, "refusal": "content_filter"}
# https://platform.claude.com/docs/en/api/errors
STATUSES = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "conflict_error": 409,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
DEFAULT_STATUS = 500


class Counts(msgspec.Struct, gc=False):
    """The usage as Anthropic writes it: cached input is apart, thinking is part of the output."""

    input_tokens: TokenCount | None = None
    output_tokens: TokenCount | None = None
    cache_read: Any = msgspec.field(default=None, name="cache_read_input_tokens")
    cache_creation: Any = msgspec.field(default=None, name="cache_creation_input_tokens")
    details: Any = msgspec.field(default=None, name="output_tokens_details")

    def usage(self, is_final: bool) -> Usage:
        """Return the counts; those of a message's start say nothing about its output."""
        prompt, read = self.input_tokens, token_count(self.cache_read)
        if prompt is not None:
            prompt = token_count(prompt + (read or 0) + (token_count(self.cache_creation) or 0))
        thinking = self.details.get("thinking_tokens") if isinstance(self.details, dict) else None
        return Usage(
            prompt_tokens=prompt,
            completion_tokens=self.output_tokens if is_final else None,
            cached=read,
            reasoning=thinking if is_final else None,
        )


class Delta(msgspec.Struct, gc=False):
    """What an event adds to a content block or, with a stop reason, to the message.

    Signatures and citations are no output of the model.
    """

    text: str | None = None
    thinking: str | None = None
    partial_json: str | None = None
    stop_reason: str | None = None


class Block(msgspec.Struct, gc=False):
    """A content block as it starts: mostly empty, except for the name of a tool, or thoughts in one piece."""

    type: str | None = None
    text: Any = None
    thinking: Any = None
    data: Any = None  # redacted thoughts
    name: Any = None

    def content(self) -> Content:
        """Return what is output of the model; results of the server's own tools are not."""
        if self.type in ("thinking", "redacted_thinking"):
            return 0, size(self.thinking) + size(self.data), 0, None
        is_call = self.type is not None and self.type.endswith("tool_use")
        return size(self.text), 0, size(self.name) if is_call else 0, None


class Message(msgspec.Struct, gc=False):
    """What the first event holds of the message."""

    model: str | None = None
    usage: Counts | None = None


class MessagesChunk(msgspec.Struct, gc=False):
    """What is read of an event's JSON."""

    delta: Delta | None = None
    content_block: Block | None = None
    message: Message | None = None
    counts: Counts | None = msgspec.field(default=None, name="usage")
    error: Any = None

    def content(self) -> Content:
        """Return what the event adds; most hold a text alone, which is looked at first."""
        delta = self.delta
        if delta is None:
            return self.content_block.content() if self.content_block else (0, 0, 0, None)
        if delta.text:
            return size(delta.text), 0, 0, None
        reason = delta.stop_reason
        finish_reason = FINISH_REASONS.get(reason, reason) if reason else None
        return 0, size(delta.thinking), size(delta.partial_json), finish_reason

    @property
    def usage(self) -> Usage | None:
        """The counts of the message's start or end."""
        if self.counts is not None:
            return self.counts.usage(is_final=True)
        return self.message.usage.usage(is_final=False) if self.message and self.message.usage else None


class AnthropicMessages:
    """POST {base}/messages."""

    name = "messages"
    operation = "chat"
    framing: Framing = sse
    maximum_field = ("max_tokens",)
    usage_field = None
    # A stream whose last event is padded, as some are, ends with its body; the stop reason precedes both.
    end = b'{"type":"message_stop"}'
    decode = staticmethod(msgspec.json.Decoder(MessagesChunk).decode)

    def headers(self, api_key: str | None) -> dict[str, str]:
        """Return the API's version and, if there is a key, x-api-key."""
        return {"anthropic-version": VERSION} | ({"x-api-key": api_key} if api_key else {})

    def path(self, model: str) -> str:
        """Return the path, the same for all models."""
        return "messages"

    def body(self, model: str, prompt: Prompt, output_tokens: int) -> dict[str, Any]:
        """Return the body; system messages become the system prompt.

        ValueError for calls of tools and blank answers.
        """
        messages = messages_of(prompt)
        system = [message.get("content") for message in messages if _role(message) in SYSTEM_ROLES]
        asked = [message for message in messages if _role(message) not in SYSTEM_ROLES]
        if any(_role(message) not in ROLES or "tool_calls" in message for message in asked):
            raise ValueError(
                "the messages API takes no tool calls in OpenAI's shape; expected messages of system, user"
                " and assistant"
            )
        refuse_blank_answers(self.name, asked)
        return {
            "model": model,
            **({"system": _system(system)} if system else {}),
            "messages": asked,
            "max_tokens": output_tokens,
            "stream": True,
        }

    def expecting(self, kind: Answer, name: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
        """Return a tool that must be used, or the format of the output."""
        if kind == "json":
            return {"output_config": {"format": {"type": "json_schema", "schema": schema}}}
        tool = {"name": name, "description": description, "input_schema": schema}
        return {"tools": [tool], "tool_choice": {"type": "tool", "name": name}}

    def pieces(self, event: dict[str, Any]) -> Iterator[Piece]:
        """Yield texts, names of tools and pieces of their input."""
        block, delta = event.get("content_block") or {}, event.get("delta") or {}
        if text := text_of(block.get("text")) or text_of(delta.get("text")):
            yield Piece(text)
        if block.get("type") == "tool_use":
            yield Piece(call=event["index"], name=text_of(block.get("name")))
        elif "partial_json" in delta:
            yield Piece(call=event["index"], arguments=text_of(delta["partial_json"]))

    def model(self, data: bytes) -> str | None:
        """Return the model of the event message_start."""
        try:
            message = self.decode(data).message
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
        return (message.model or None) if message else None

    def flat_error(self, data: bytes) -> Any:
        """Return an object of type `error`, or with FastAPI's `detail`, as proxies send them."""
        try:
            content = msgspec.json.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
        is_error = isinstance(content, dict) and (content.get("type") == "error" or content.get("detail"))
        return content if is_error else None

    def error_message(self, content: Any) -> str | None:
        """Return the message of {"type": "error", "error": {"type", "message"}}, or a proxy's."""
        return message_of(content)

    def stream_error(self, error: Any) -> tuple[int, str]:
        """Return the status by the error's type, else 500, and the message."""
        kind = error.get("type") if isinstance(error, dict) else None
        status = STATUSES.get(kind, DEFAULT_STATUS) if isinstance(kind, str) else DEFAULT_STATUS
        return status, message_of({"error": error}) or str(error)


def _role(message: Any) -> Any:
    return message.get("role") if isinstance(message, dict) else None


def _system(contents: list[Any]) -> Any:
    """Return one content as it is, and several as one list of blocks."""
    if len(contents) == 1:
        return contents[0]
    parts = ([{"type": "text", "text": each}] if isinstance(each, str) else each for each in contents)
    return [part for each in parts for part in each]
