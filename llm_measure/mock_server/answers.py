"""The bytes that the mock server sends, built once per kind of request."""

import json
from dataclasses import dataclass
from typing import Any

from llm_measure.mock_server.behaviour import Behaviour
from llm_measure.mock_server.chunks import chunks, whole_texts
from llm_measure.mock_server.dialects import Dialect

STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\n"
    b"transfer-encoding: chunked\r\n\r\n"
)
BODY_END = b"0\r\n\r\n"
REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 405: "Method Not Allowed",
           429: "Too Many Requests", 500: "Internal Server Error"}  # fmt: skip


@dataclass(frozen=True)
class Kind:
    """What distinguishes the bytes of one answer from another's."""

    dialect: Dialect
    model: str
    tokens: int
    is_cut: bool  # by the maximum that was asked for
    prompt_tokens: int
    usage_last: bool
    usage_each: bool


@dataclass(frozen=True)
class Answer:
    """An answer in pieces, each to be written at one moment."""

    first: bytes  # written immediately: nothing, or a chunk with the role alone
    steps: tuple[int, ...]  # between tokens since the piece before
    pieces: list[bytes]
    whole: bytes  # the same answer, not streamed


def build(kind: Kind, behaviour: Behaviour) -> Answer:
    """Return all bytes of an answer."""
    return _Builder(kind, behaviour).answer()


class _Builder:
    """Builds an answer of one kind."""

    def __init__(self, kind: Kind, behaviour: Behaviour):
        self._kind = kind
        self._behaviour = behaviour
        self._has_eos = behaviour.count_eos and not kind.is_cut

    def answer(self) -> Answer:
        """Return the answer."""
        dialect, behaviour = self._kind.dialect, self._behaviour
        events, steps = [], []
        for chunk in chunks(self._kind.tokens, behaviour):
            events.append(self._event(dialect.choice(chunk.text, chunk.reasoning, None), chunk.tokens))
            steps.append(chunk.steps)
        if self._has_eos or not events:
            steps.append(behaviour.parts_per_token if events else 0)
            events.append(self._end())
        else:
            events[-1] += self._end()
        role = dialect.role_choice() if behaviour.role_first else None
        first = STREAM_HEAD + self._event(role, 0) if role else b""
        if not role:
            events[0] = STREAM_HEAD + events[0]
        each = range(0, len(events), behaviour.buffer_chunks)
        return Answer(
            first,
            tuple(sum(steps[at : at + behaviour.buffer_chunks]) for at in each),
            [b"".join(events[at : at + behaviour.buffer_chunks]) for at in each],
            self._whole(),
        )

    def _event(self, choice: dict[str, Any], tokens: int) -> bytes:
        chunk = {**self._envelope(), "choices": [choice]}
        if self._behaviour.usage == "zeros":
            chunk["usage"] = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
        elif self._kind.usage_each:
            chunk["usage"] = self._usage(tokens)
        return _framed(chunk)

    def _end(self) -> bytes:
        """Return what follows the text; the end of the body only if it is not held open."""
        kind, tokens = self._kind, self._kind.tokens + self._has_eos
        end = self._event(kind.dialect.choice(None, False, self._finish_reason), tokens)
        if kind.usage_last and not kind.usage_each:
            end += _framed({**self._envelope(), "choices": [], "usage": self._usage(tokens)})
        end += _frame(b"data: [DONE]\n\n")
        return end if self._behaviour.hold_open else end + BODY_END

    def _whole(self) -> bytes:
        kind, behaviour = self._kind, self._behaviour
        reasoning, text = whole_texts(kind.tokens, behaviour)
        choice = kind.dialect.whole_choice(text, reasoning, self._finish_reason)
        answer = {**kind.dialect.envelope(kind.model, streamed=False), "choices": [choice]}
        if behaviour.usage != "none":
            answer["usage"] = self._usage(kind.tokens + self._has_eos)
        return plain(200, answer)

    def _usage(self, tokens: int) -> dict[str, Any]:
        """Return the counts up to that many output tokens."""
        prompt, behaviour = self._kind.prompt_tokens, self._behaviour
        reasoning = min(behaviour.reasoning_tokens, tokens)
        counted = tokens - reasoning if behaviour.reasoning == "uncounted" else tokens
        usage: dict[str, Any] = {
            "prompt_tokens": prompt,
            "completion_tokens": counted,
            "total_tokens": prompt + tokens,
        }
        if reasoning:
            usage["completion_tokens_details"] = {"reasoning_tokens": reasoning}
        if behaviour.cached_tokens:
            usage["prompt_tokens_details"] = {"cached_tokens": min(behaviour.cached_tokens, prompt)}
        return usage

    def _envelope(self) -> dict[str, Any]:
        return self._kind.dialect.envelope(self._kind.model, streamed=True)

    @property
    def _finish_reason(self) -> str:
        return "length" if self._kind.is_cut else "stop"


def plain(status: int, content: Any, *headers: str) -> bytes:
    """Return a complete JSON response."""
    body = json.dumps(content).encode()
    head = [f"HTTP/1.1 {status} {REASONS[status]}", "content-type: application/json",
            f"content-length: {len(body)}", *headers]  # fmt: skip
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def refusal(status: int, message: str, *headers: str) -> bytes:
    """Return an error in OpenAI's shape."""
    error = {"message": message, "type": REASONS[status], "param": None, "code": None}
    return plain(status, {"error": error}, *headers)


def _framed(chunk: dict[str, Any]) -> bytes:
    return _frame(b"data: " + json.dumps(chunk, separators=(",", ":")).encode() + b"\n\n")


def _frame(data: bytes) -> bytes:
    """Return one chunk of HTTP's chunked coding."""
    return b"%x\r\n%b\r\n" % (len(data), data)
