"""The bytes that the mock server sends, built once per kind of request."""

import json
from dataclasses import dataclass
from typing import Any

from llm_measure.mock_server.behaviour import Behaviour
from llm_measure.mock_server.dialects import Dialect

TEXT = "the answer of a mock server is made of words that mean nothing and come on time"
WORDS = TEXT.split()
STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\n"
    b"transfer-encoding: chunked\r\n\r\n"
)
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
    chunks: list[int]  # tokens per piece
    pieces: list[bytes]
    whole: bytes  # the same answer, not streamed


def build(kind: Kind, behaviour: Behaviour) -> Answer:
    """Return all bytes of an answer."""
    chunks = _chunks(kind.tokens, behaviour.chunk_tokens)
    pieces, sent = [], 0
    for tokens in chunks:
        choice = kind.dialect.choice(_words(sent, tokens), sent < behaviour.reasoning_tokens, None)
        pieces.append(_event(kind, choice, sent + tokens))
        sent += tokens
    end = _event(kind, kind.dialect.choice("", False, _finish_reason(kind)), kind.tokens)
    if kind.usage_last and not kind.usage_each:
        end += _framed({**_envelope(kind), "choices": [], "usage": _usage(kind, kind.tokens)})
    end += _frame(b"data: [DONE]\n\n") + b"0\r\n\r\n"
    if pieces:
        pieces[-1] += end
    else:
        chunks, pieces = [0], [end]
    first = b""
    role = kind.dialect.role_choice() if behaviour.role_first else None
    if role:
        first = STREAM_HEAD + _event(kind, role, 0)
    else:
        pieces[0] = STREAM_HEAD + pieces[0]
    return Answer(first, chunks, pieces, _whole(kind, behaviour))


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


def _chunks(tokens: int, each: int) -> list[int]:
    return [min(each, tokens - sent) for sent in range(0, tokens, each)]


def _words(first: int, n: int) -> str:
    return "".join(f" {WORDS[number % len(WORDS)]}" for number in range(first, first + n))


def _finish_reason(kind: Kind) -> str:
    return "length" if kind.is_cut else "stop"


def _event(kind: Kind, choice: dict[str, Any], tokens: int) -> bytes:
    chunk = {**_envelope(kind), "choices": [choice]}
    if kind.usage_each:
        chunk["usage"] = _usage(kind, tokens)
    return _framed(chunk)


def _envelope(kind: Kind) -> dict[str, Any]:
    return kind.dialect.envelope(kind.model, streamed=True)


def _usage(kind: Kind, tokens: int) -> dict[str, int]:
    return {
        "prompt_tokens": kind.prompt_tokens,
        "completion_tokens": tokens,
        "total_tokens": kind.prompt_tokens + tokens,
    }


def _whole(kind: Kind, behaviour: Behaviour) -> bytes:
    reasoning = min(behaviour.reasoning_tokens, kind.tokens)
    choice = kind.dialect.whole_choice(
        _words(reasoning, kind.tokens - reasoning), _words(0, reasoning), _finish_reason(kind)
    )
    answer = {**kind.dialect.envelope(kind.model, streamed=False), "choices": [choice]}
    if not behaviour.no_usage:
        answer["usage"] = _usage(kind, kind.tokens)
    return plain(200, answer)


def _framed(chunk: dict[str, Any]) -> bytes:
    return _frame(b"data: " + json.dumps(chunk, separators=(",", ":")).encode() + b"\n\n")


def _frame(data: bytes) -> bytes:
    """Return one chunk of HTTP's chunked coding."""
    return b"%x\r\n%b\r\n" % (len(data), data)
