"""OpenAI's chat completions and legacy completions."""

from abc import ABC, abstractmethod
from typing import Any

import msgspec

from llm_measure.expectations import NAME
from llm_measure.mock_server.chunks import Chunk, Said
from llm_measure.mock_server.dialects.base import EVENT_STREAM, Counts, Request, event, texts_of, words

CREATED = 1_700_000_000
MODEL = "mock"  # of a request that names none
DONE = b"data: [DONE]\n\n"


class StreamOptions(msgspec.Struct):
    """OpenAI's stream options, and vLLM's continuous_usage_stats."""

    include_usage: bool = False
    continuous_usage_stats: bool = False


class Body(msgspec.Struct):
    """What is read of a request's JSON."""

    model: str = MODEL
    prompt: str | list[str] = ""
    messages: list[dict[str, Any]] = []
    stream: bool = False
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    stream_options: StreamOptions | None = None
    response_format: dict[str, Any] | None = None
    tools: list[dict[str, Any]] | None = None

    @property
    def said(self) -> Said:
        """What the answer must be; a tool is called wherever there is one."""
        if self.tools:
            return "call"
        kind = (self.response_format or {}).get("type")
        return "json" if kind in ("json_schema", "json_object") else "words"

    @property
    def prompt_tokens(self) -> int:
        """The number of words of the prompt or the messages."""
        prompts = [self.prompt] if isinstance(self.prompt, str) else self.prompt
        return words(prompts) + sum(words(texts_of(message.get("content"))) for message in self.messages)


_decode = msgspec.json.Decoder(Body).decode


class OpenAI(ABC):
    """What both have in common: choices in an envelope, usage on request."""

    content_type = EVENT_STREAM
    always_opens = always_counts = False

    def request(self, body: bytes, model: str | None) -> Request:
        """Return the request."""
        asked = _decode(body)
        options = asked.stream_options or StreamOptions()
        return Request(
            model=model or asked.model,
            prompt_tokens=asked.prompt_tokens,
            stream=asked.stream,
            maximum=asked.max_completion_tokens or asked.max_tokens,
            usage_last=options.include_usage,
            usage_each=options.continuous_usage_stats,
            said=asked.said,
        )

    def opening(self, model: str, counts: Counts | None) -> list[bytes]:
        """Return no event."""
        return []

    def chunk(self, model: str, chunk: Chunk, begins: bool, counts: Counts | None) -> list[bytes]:
        """Return one event."""
        return [self._event(model, self.choice(chunk.text, chunk.reasoning, None), counts)]

    def closing(
        self, model: str, block: int | None, is_cut: bool, counts: Counts | None, final: Counts | None
    ) -> list[bytes]:
        """Return the finish reason, the usage on request, and `[DONE]`."""
        events = [self._event(model, self.choice(None, False, _finish_reason(is_cut)), counts)]
        if final:
            content = {**self.envelope(model, streamed=True), "choices": [], "usage": _usage(final)}
            events.append(event(content))
        return [*events, DONE]

    def whole(
        self, model: str, text: str, reasoning: str, is_cut: bool, counts: Counts | None
    ) -> dict[str, Any]:
        """Return a response with one choice."""
        choice = self.whole_choice(text, reasoning, _finish_reason(is_cut))
        answer = {**self.envelope(model, streamed=False), "choices": [choice]}
        return answer | ({"usage": _usage(counts)} if counts else {})

    def error(self, status: int, reason: str, message: str) -> dict[str, Any]:
        """Return an error with its message."""
        return error_body(reason, message)

    def _event(self, model: str, choice: dict[str, Any], counts: Counts | None) -> bytes:
        content = {**self.envelope(model, streamed=True), "choices": [choice]}
        return event(content | ({"usage": _usage(counts)} if counts else {}))

    @abstractmethod
    def choice(self, text: str | None, reasoning: bool, finish_reason: str | None) -> dict[str, Any]:
        """Return the choice of a chunk; the last one has no text, which is not the same as an empty one."""

    @abstractmethod
    def whole_choice(self, text: str, reasoning: str, finish_reason: str) -> dict[str, Any]:
        """Return the choice of a response that is not streamed."""

    @abstractmethod
    def envelope(self, model: str, streamed: bool) -> dict[str, Any]:
        """Return the fields around the choices."""


class Chat(OpenAI):
    """Chat completions."""

    _calls = False  # whether the answer is a call, noted in each answer's copy

    def chunk(self, model: str, chunk: Chunk, begins: bool, counts: Counts | None) -> list[bytes]:
        """Return one event, with a text or a piece of a call."""
        if not chunk.is_call:
            return super().chunk(model, chunk, begins, counts)
        function = {"arguments": chunk.text}
        call: dict[str, Any] = {"index": 0, "function": function}
        if not self._calls:
            self._calls = True
            call |= {"id": "call-mock", "type": "function", "function": {"name": NAME, **function}}
        choice = {"index": 0, "delta": {"tool_calls": [call]}, "logprobs": None, "finish_reason": None}
        return [self._event(model, choice, counts)]

    def opening(self, model: str, counts: Counts | None) -> list[bytes]:
        """Return an event with the role and no content."""
        return [self._event(model, {"index": 0, "delta": {"role": "assistant", "content": ""}}, counts)]

    def choice(self, text: str | None, reasoning: bool, finish_reason: str | None) -> dict[str, Any]:
        """Return a delta."""
        if finish_reason == "stop" and self._calls:
            finish_reason = "tool_calls"
        delta = {"reasoning_content" if reasoning else "content": text} if text is not None else {}
        return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}

    def whole_choice(self, text: str, reasoning: str, finish_reason: str) -> dict[str, Any]:
        """Return a message."""
        message = {"role": "assistant", "content": text}
        if reasoning:
            message["reasoning_content"] = reasoning
        return {"index": 0, "message": message, "logprobs": None, "finish_reason": finish_reason}

    def envelope(self, model: str, streamed: bool) -> dict[str, Any]:
        """Return the fields around the choices."""
        name = "chat.completion.chunk" if streamed else "chat.completion"
        return {"id": "chatcmpl-mock", "object": name, "created": CREATED, "model": model}


class Completions(OpenAI):
    """Legacy completions, which know no roles and no reasoning."""

    def choice(self, text: str | None, reasoning: bool, finish_reason: str | None) -> dict[str, Any]:
        """Return a text."""
        return {"index": 0, "text": text or "", "logprobs": None, "finish_reason": finish_reason}

    def whole_choice(self, text: str, reasoning: str, finish_reason: str) -> dict[str, Any]:
        """Return reasoning and text as one."""
        return self.choice(reasoning + text, False, finish_reason)

    def envelope(self, model: str, streamed: bool) -> dict[str, Any]:
        """Return the fields around the choices."""
        return {"id": "cmpl-mock", "object": "text_completion", "created": CREATED, "model": model}


def error_body(reason: str, message: str, code: str | None = None) -> dict[str, Any]:
    """Return an error as OpenAI writes it."""
    return {"error": {"message": message, "type": reason, "param": None, "code": code}}


def _finish_reason(is_cut: bool) -> str:
    return "length" if is_cut else "stop"


def _usage(counts: Counts) -> dict[str, Any]:
    usage: dict[str, Any] = {
        "prompt_tokens": counts.prompt,
        "completion_tokens": counts.counted,
        "total_tokens": counts.prompt + counts.output,
    }
    if counts.reasoning:
        usage["completion_tokens_details"] = {"reasoning_tokens": counts.reasoning}
    if counts.cached:
        usage["prompt_tokens_details"] = {"cached_tokens": counts.cached}
    return usage
