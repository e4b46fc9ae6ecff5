"""Google's Gemini, which names the model and whether to stream in the path."""

from typing import Any

import msgspec

from llm_measure.mock_server.chunks import Chunk
from llm_measure.mock_server.dialects.base import EVENT_STREAM, Counts, Request, event, texts_of, words

ERROR_STATUSES = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 404: "NOT_FOUND", 405: "UNIMPLEMENTED",
                  429: "RESOURCE_EXHAUSTED", 500: "INTERNAL"}  # fmt: skip
SIGNATURE = "bW9jaw=="


class Content(msgspec.Struct):
    """One message, or the system instruction."""

    parts: list[dict[str, Any]] = []


class Config(msgspec.Struct, rename="camel"):
    """The options that are read."""

    max_output_tokens: int | None = None


class Body(msgspec.Struct, rename="camel"):
    """What is read of a request's JSON."""

    contents: list[Content]
    system_instruction: Content | None = None
    generation_config: Config | None = None


_decode = msgspec.json.Decoder(Body).decode


class GenerateContent:
    """Candidates with parts, thoughts first; usage in each chunk; no event that ends the stream."""

    content_type = EVENT_STREAM
    always_opens = False
    always_counts = True

    def __init__(self, stream: bool):
        self._stream = stream

    def request(self, body: bytes, model: str | None) -> Request:
        """Return the request."""
        asked = _decode(body)
        contents = [asked.system_instruction or Content(), *asked.contents]
        return Request(
            model=model or "",
            prompt_tokens=sum(words(texts_of(content.parts)) for content in contents),
            stream=self._stream,
            maximum=asked.generation_config.max_output_tokens if asked.generation_config else None,
            usage_last=True,
            usage_each=True,
        )

    def opening(self, model: str, counts: Counts | None) -> list[bytes]:
        """Return an event with an empty text."""
        return [event(_response(model, [{"text": ""}], None, counts))]

    def chunk(self, model: str, chunk: Chunk, begins: bool, counts: Counts | None) -> list[bytes]:
        """Return one event."""
        return [event(_response(model, [_part(chunk.text, chunk.reasoning)], None, counts))]

    def closing(
        self, model: str, block: int | None, is_cut: bool, counts: Counts | None, final: Counts | None
    ) -> list[bytes]:
        """Return the finish reason, with the signature of the thoughts."""
        parts = [{"text": "", "thoughtSignature": SIGNATURE}]
        return [event(_response(model, parts, _finish_reason(is_cut), final or counts))]

    def whole(
        self, model: str, text: str, reasoning: str, is_cut: bool, counts: Counts | None
    ) -> dict[str, Any]:
        """Return a response with one candidate."""
        parts = [_part(each, is_thought) for each, is_thought in ((reasoning, True), (text, False)) if each]
        return _response(model, parts, _finish_reason(is_cut), counts)

    def error(self, status: int, reason: str, message: str) -> dict[str, Any]:
        """Return an error with Google's name for the status."""
        return {"error": {"code": status, "message": message, "status": ERROR_STATUSES[status]}}


def _part(text: str, is_thought: bool) -> dict[str, Any]:
    return {"text": text, "thought": True} if is_thought else {"text": text}


def _finish_reason(is_cut: bool) -> str:
    return "MAX_TOKENS" if is_cut else "STOP"


def _response(
    model: str, parts: list[dict[str, Any]], finish_reason: str | None, counts: Counts | None
) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"parts": parts, "role": "model"}, "index": 0}
    if finish_reason:
        candidate["finishReason"] = finish_reason
    response = {"candidates": [candidate], "modelVersion": model, "responseId": "mock"}
    return response | ({"usageMetadata": _usage(counts)} if counts else {})


def _usage(counts: Counts) -> dict[str, int]:
    """Return the counts but for zeros, which Google's JSON leaves out."""
    usage = {
        "promptTokenCount": counts.prompt,
        "candidatesTokenCount": counts.output - counts.reasoning,
        "thoughtsTokenCount": counts.reasoning,
        "cachedContentTokenCount": counts.cached,
        "totalTokenCount": counts.prompt + counts.output,
    }
    return {name: count for name, count in usage.items() if count}
