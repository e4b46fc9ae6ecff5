"""Amazon Bedrock's Converse and ConverseStream, which name the model and whether to stream in the path."""

import json
from struct import pack
from typing import Any
from zlib import crc32

import msgspec

from llm_measure.mock_server.chunks import Chunk
from llm_measure.mock_server.dialects.base import Counts, Request, texts_of, words

# Amazon names them in the header x-amzn-errortype; its clients also read the field __type.
ERROR_TYPES = {400: "ValidationException", 401: "UnrecognizedClientException",
               404: "ResourceNotFoundException", 405: "ValidationException", 429: "ThrottlingException",
               500: "InternalServerException"}  # fmt: skip
SIGNATURE = "bW9jaw=="
STRING = 7  # the type of a header's value


class Message(msgspec.Struct):
    """One message."""

    content: list[dict[str, Any]]


class Config(msgspec.Struct, rename="camel"):
    """The options that are read."""

    max_tokens: int | None = None


class Body(msgspec.Struct, rename="camel"):
    """What is read of a request's JSON."""

    messages: list[Message]
    system: list[dict[str, Any]] = []
    inference_config: Config | None = None


_decode = msgspec.json.Decoder(Body).decode


class Converse:
    """Content blocks, reasoning first; usage in the last event."""

    content_type = "application/vnd.amazon.eventstream"
    always_opens = True
    always_counts = False

    def __init__(self, stream: bool):
        self._stream = stream

    def request(self, body: bytes, model: str | None) -> Request:
        """Return the request."""
        asked = _decode(body)
        contents = [asked.system, *(message.content for message in asked.messages)]
        return Request(
            model=model or "",
            prompt_tokens=sum(words(texts_of(content)) for content in contents),
            stream=self._stream,
            maximum=asked.inference_config.max_tokens if asked.inference_config else None,
            usage_last=True,
        )

    def opening(self, model: str, counts: Counts | None) -> list[bytes]:
        """Return the start of the message."""
        return [_event("messageStart", role="assistant")]

    def chunk(self, model: str, chunk: Chunk, begins: bool, counts: Counts | None) -> list[bytes]:
        """Return a delta, after the end of the block before if it begins another one."""
        delta = {"reasoningContent": {"text": chunk.text}} if chunk.reasoning else {"text": chunk.text}
        before = _end_of_reasoning(chunk.block - 1) if begins and chunk.block else []
        return [*before, _delta(chunk.block, delta)]

    def closing(
        self, model: str, block: int | None, is_cut: bool, counts: Counts | None, final: Counts | None
    ) -> list[bytes]:
        """Return the ends of the block and the message, and the usage."""
        ends = [] if block is None else [_block_end(block)]
        ends.append(_event("messageStop", stopReason=_stop_reason(is_cut)))
        if final:
            ends.append(_event("metadata", usage=_usage(final), metrics={"latencyMs": 0}))
        return ends

    def whole(
        self, model: str, text: str, reasoning: str, is_cut: bool, counts: Counts | None
    ) -> dict[str, Any]:
        """Return a message."""
        content: list[dict[str, Any]] = [{"text": text}] if text else []
        if reasoning:
            thoughts = {"reasoningText": {"text": reasoning, "signature": SIGNATURE}}
            content.insert(0, {"reasoningContent": thoughts})
        response = {
            "output": {"message": {"role": "assistant", "content": content}},
            "stopReason": _stop_reason(is_cut),
            "metrics": {"latencyMs": 0},
        }
        return response | ({"usage": _usage(counts)} if counts else {})

    def error(self, status: int, reason: str, message: str) -> dict[str, Any]:
        """Return an error of the type that Amazon documents for the status."""
        return {"__type": ERROR_TYPES[status], "message": message}


def _event(kind: str, **content: Any) -> bytes:
    """Return a message of Amazon's event stream: https://smithy.io/2.0/aws/amazon-eventstream.html."""
    named = {":event-type": kind, ":content-type": "application/json", ":message-type": "event"}
    headers = b"".join(map(_header, named, named.values()))
    payload = json.dumps(content, separators=(",", ":")).encode()
    lengths = pack("!II", 16 + len(headers) + len(payload), len(headers))
    message = lengths + pack("!I", crc32(lengths)) + headers + payload
    return message + pack("!I", crc32(message))


def _header(name: str, value: str) -> bytes:
    return pack("!B", len(name)) + name.encode() + pack("!BH", STRING, len(value)) + value.encode()


def _delta(index: int, delta: dict[str, Any]) -> bytes:
    return _event("contentBlockDelta", contentBlockIndex=index, delta=delta)


def _block_end(index: int) -> bytes:
    return _event("contentBlockStop", contentBlockIndex=index)


def _end_of_reasoning(index: int) -> list[bytes]:
    return [_delta(index, {"reasoningContent": {"signature": SIGNATURE}}), _block_end(index)]


def _stop_reason(is_cut: bool) -> str:
    return "max_tokens" if is_cut else "end_turn"


def _usage(counts: Counts) -> dict[str, int]:
    return {
        "inputTokens": counts.prompt - counts.cached,
        "outputTokens": counts.counted,
        "totalTokens": counts.prompt + counts.counted,
        "cacheReadInputTokens": counts.cached,
        "cacheWriteInputTokens": 0,
    }
