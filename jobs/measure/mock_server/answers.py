"""The bytes that the mock server sends, made once for each kind of request."""

import json
from dataclasses import dataclass
from typing import Any

from jobs.measure.mock_server.behaviour import Behaviour

CREATED = 1_700_000_000
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
    """What tells one answer's bytes from another's."""

    api: str  # chat or completions
    model: str
    tokens: int
    cut: bool  # by max_tokens
    prompt_tokens: int
    usage_last: bool
    usage_each: bool


@dataclass(frozen=True)
class Answer:
    """An answer in pieces, each to be written at one moment."""

    at_once: bytes  # empty, or a chunk with the role alone
    chunks: list[int]  # the tokens of each piece
    pieces: list[bytes]
    whole: bytes  # the same, not streamed


def build(kind: Kind, behaviour: Behaviour) -> Answer:
    """All bytes of an answer."""
    chunks = _chunks(kind.tokens, behaviour.chunk_tokens)
    pieces, sent = [], 0
    for tokens in chunks:
        pieces.append(_event(kind, _delta(kind, behaviour, sent, tokens), sent + tokens))
        sent += tokens
    end = _event(kind, _choice(kind, "", False, "length" if kind.cut else "stop"), kind.tokens)
    if kind.usage_last and not kind.usage_each:
        end += _framed({**_top(kind, True), "choices": [], "usage": _usage(kind, kind.tokens)})
    end += _frame(b"data: [DONE]\n\n") + b"0\r\n\r\n"
    if pieces:
        pieces[-1] += end
    else:
        chunks, pieces = [0], [end]
    role = b""
    if behaviour.role_first and kind.api == "chat":
        role = STREAM_HEAD + _event(kind, {"index": 0, "delta": {"role": "assistant", "content": ""}}, 0)
    else:
        pieces[0] = STREAM_HEAD + pieces[0]
    return Answer(role, chunks, pieces, _whole(kind, behaviour))


def plain(status: int, content: Any, *headers: str) -> bytes:
    """A whole JSON answer."""
    body = json.dumps(content).encode()
    head = [f"HTTP/1.1 {status} {REASONS[status]}", "content-type: application/json",
            f"content-length: {len(body)}", *headers]  # fmt: skip
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def refusal(status: int, message: str, *headers: str) -> bytes:
    """An error in OpenAI's shape."""
    return plain(
        status,
        {"error": {"message": message, "type": REASONS[status], "param": None, "code": None}},
        *headers,
    )


def _chunks(tokens: int, each: int) -> list[int]:
    return [min(each, tokens - sent) for sent in range(0, tokens, each)]


def _words(first: int, n: int) -> str:
    return "".join(f" {WORDS[number % len(WORDS)]}" for number in range(first, first + n))


def _delta(kind: Kind, behaviour: Behaviour, sent: int, tokens: int) -> dict[str, Any]:
    return _choice(kind, _words(sent, tokens), sent < behaviour.reasoning_tokens, None)


def _choice(kind: Kind, text: str, reasoning: bool, finish_reason: str | None) -> dict[str, Any]:
    if kind.api == "completions":
        return {"index": 0, "text": text, "logprobs": None, "finish_reason": finish_reason}
    delta = {"reasoning_content" if reasoning else "content": text} if text else {}
    return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}


def _event(kind: Kind, choice: dict[str, Any], tokens: int) -> bytes:
    chunk = {**_top(kind, True), "choices": [choice]}
    if kind.usage_each:
        chunk["usage"] = _usage(kind, tokens)
    return _framed(chunk)


def _top(kind: Kind, streamed: bool) -> dict[str, Any]:
    if kind.api == "completions":
        return {"id": "cmpl-mock", "object": "text_completion", "created": CREATED, "model": kind.model}
    name = "chat.completion.chunk" if streamed else "chat.completion"
    return {"id": "chatcmpl-mock", "object": name, "created": CREATED, "model": kind.model}


def _usage(kind: Kind, tokens: int) -> dict[str, int]:
    return {
        "prompt_tokens": kind.prompt_tokens,
        "completion_tokens": tokens,
        "total_tokens": kind.prompt_tokens + tokens,
    }


def _whole(kind: Kind, behaviour: Behaviour) -> bytes:
    reason = "length" if kind.cut else "stop"
    reasoning = min(behaviour.reasoning_tokens, kind.tokens)
    text = _words(reasoning, kind.tokens - reasoning)
    if kind.api == "completions":
        choice: dict[str, Any] = _choice(kind, _words(0, kind.tokens), False, reason)
    else:
        message: dict[str, Any] = {"role": "assistant", "content": text}
        if reasoning:
            message["reasoning_content"] = _words(0, reasoning)
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": reason}
    answer = {**_top(kind, False), "choices": [choice]}
    if not behaviour.no_usage:
        answer["usage"] = _usage(kind, kind.tokens)
    return plain(200, answer)


def _framed(chunk: dict[str, Any]) -> bytes:
    return _frame(b"data: " + json.dumps(chunk, separators=(",", ":")).encode() + b"\n\n")


def _frame(data: bytes) -> bytes:
    """One chunk of HTTP's chunked coding."""
    return b"%x\r\n%b\r\n" % (len(data), data)
