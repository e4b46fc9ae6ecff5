"""Anthropic's Messages."""

from typing import Any

import msgspec

from llm_measure.mock_server.chunks import Chunk
from llm_measure.mock_server.dialects.base import EVENT_STREAM, Counts, Request, event, texts_of, words

ERROR_TYPES = {400: "invalid_request_error", 401: "authentication_error", 404: "not_found_error",
               405: "invalid_request_error", 429: "rate_limit_error", 500: "api_error"}  # fmt: skip
SIGNATURE = "bW9jaw=="


class Body(msgspec.Struct):
    """What is read of a request's JSON."""

    model: str
    max_tokens: int
    messages: list[dict[str, Any]]
    system: str | list[dict[str, Any]] = ""
    stream: bool = False


_decode = msgspec.json.Decoder(Body).decode


class Messages:
    """Content blocks, thinking first; usage at the start and the end of each message."""

    content_type = EVENT_STREAM
    always_opens = always_counts = True

    def request(self, body: bytes, model: str | None) -> Request:
        """Return the request."""
        asked = _decode(body)
        contents = [asked.system, *(message.get("content") for message in asked.messages)]
        return Request(
            model=asked.model,
            prompt_tokens=sum(words(texts_of(content)) for content in contents),
            stream=asked.stream,
            maximum=asked.max_tokens,
            usage_last=True,
        )

    def opening(self, model: str, counts: Counts | None) -> list[bytes]:
        """Return the start of the message, and a ping."""
        return [_event("message_start", message=_message(model, [], None, counts)), _event("ping")]

    def chunk(self, model: str, chunk: Chunk, begins: bool, counts: Counts | None) -> list[bytes]:
        """Return a delta, after the end of the block before and the start of its block if it begins one."""
        events = []
        if begins:
            events += _block_end(chunk.block - 1, signed=True) if chunk.block else []
            block = _thinking("", "") if chunk.reasoning else _text("")
            events.append(_event("content_block_start", index=chunk.block, content_block=block))
        kind, name = ("thinking_delta", "thinking") if chunk.reasoning else ("text_delta", "text")
        return [*events, _delta(chunk.block, {"type": kind, name: chunk.text})]

    def closing(
        self, model: str, block: int | None, is_cut: bool, counts: Counts | None, final: Counts | None
    ) -> list[bytes]:
        """Return the ends of the block and the message."""
        ends = [] if block is None else _block_end(block, signed=False)
        delta = {"stop_reason": _stop_reason(is_cut), "stop_sequence": None}
        usage = {"usage": _usage(final)} if final else {}
        return [*ends, _event("message_delta", delta=delta, **usage), _event("message_stop")]

    def whole(
        self, model: str, text: str, reasoning: str, is_cut: bool, counts: Counts | None
    ) -> dict[str, Any]:
        """Return a message."""
        content = [_thinking(reasoning, SIGNATURE)] if reasoning else []
        if text:
            content.append(_text(text))
        return _message(model, content, _stop_reason(is_cut), counts)

    def error(self, status: int, reason: str, message: str) -> dict[str, Any]:
        """Return an error of the type that Anthropic documents for the status."""
        return {"type": "error", "error": {"type": ERROR_TYPES[status], "message": message}}


def _event(kind: str, **fields: Any) -> bytes:
    return event({"type": kind, **fields}, kind)


def _delta(index: int, delta: dict[str, Any]) -> bytes:
    return _event("content_block_delta", index=index, delta=delta)


def _block_end(index: int, signed: bool) -> list[bytes]:
    signature = {"type": "signature_delta", "signature": SIGNATURE}
    return [*([_delta(index, signature)] if signed else []), _event("content_block_stop", index=index)]


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def _thinking(text: str, signature: str) -> dict[str, Any]:
    return {"type": "thinking", "thinking": text, "signature": signature}


def _message(
    model: str, content: list[dict[str, Any]], stop_reason: str | None, counts: Counts | None
) -> dict[str, Any]:
    message = {
        "id": "msg_mock",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": content,
        "stop_reason": stop_reason,
        "stop_sequence": None,
    }
    return message | ({"usage": _usage(counts)} if counts else {})


def _stop_reason(is_cut: bool) -> str:
    return "max_tokens" if is_cut else "end_turn"


def _usage(counts: Counts) -> dict[str, Any]:
    usage: dict[str, Any] = {
        "input_tokens": counts.prompt - counts.cached,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": counts.cached,
        "output_tokens": counts.counted,
    }
    return usage | (
        {"output_tokens_details": {"thinking_tokens": counts.reasoning}} if counts.reasoning else {}
    )
