"""The bytes that the mock server sends, built once per kind of request."""

import json
from copy import copy
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from llm_measure.mock_server.behaviour import Behaviour
from llm_measure.mock_server.chunks import Said, chunks, whole_texts
from llm_measure.mock_server.dialects import AnyDialect, Counts, Dialect, EncodingDialect, EncodingRequest

BODY_END = b"0\r\n\r\n"
REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 405: "Method Not Allowed",
           429: "Too Many Requests", 500: "Internal Server Error"}  # fmt: skip
NOTHING = Counts(prompt=0, cached=0, output=0, counted=0, reasoning=0)


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
    said: Said = "words"
    is_valid: bool = True  # of JSON and calls


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


def encode(dialect: EncodingDialect, request: EncodingRequest, behaviour: Behaviour) -> Answer:
    """Return an answer in one piece, due when a first token would be."""
    tokens = behaviour.prompt_tokens(request.prompt_tokens, request.inputs)
    counted = msgspec.structs.replace(request, prompt_tokens=tokens)
    whole = plain(200, dialect.whole(counted, counts=behaviour.usage != "none"))
    return Answer(b"", (0,), [whole], whole)


class _Builder:
    """Builds an answer of one kind."""

    def __init__(self, kind: Kind, behaviour: Behaviour):
        # A dialect may note what it has sent, so each answer has its own copy.
        self._kind = replace(kind, dialect=copy(kind.dialect))
        self._behaviour = behaviour
        self._has_eos = behaviour.count_eos and not kind.is_cut

    def answer(self) -> Answer:
        """Return the answer."""
        dialect, behaviour, model = self._kind.dialect, self._behaviour, self._kind.model
        events, steps, block = [], [], None
        for chunk in chunks(self._kind.tokens, behaviour, self._kind.said, self._kind.is_valid):
            counts = self._counts_of_event(chunk.tokens)
            events.append(_framed(dialect.chunk(model, chunk, chunk.block != block, counts)))
            steps.append(chunk.steps)
            block = chunk.block
        end = self._end(block)
        if self._has_eos or not events:
            steps.append(behaviour.parts_per_token if events else 0)
            events.append(end)
        else:
            events[-1] += end
        first, before = self._opening()
        events[0] = before + events[0]
        each = range(0, len(events), behaviour.buffer_chunks)
        return Answer(
            first,
            tuple(sum(steps[at : at + behaviour.buffer_chunks]) for at in each),
            [b"".join(events[at : at + behaviour.buffer_chunks]) for at in each],
            self._whole(),
        )

    def _opening(self) -> tuple[bytes, bytes]:
        """Return what is sent immediately, and what is sent with the first token."""
        dialect, behaviour = self._kind.dialect, self._behaviour
        asked = behaviour.role_first or dialect.always_opens
        opening = dialect.opening(self._kind.model, self._counts_of_opening()) if asked else []
        head = _stream_head(dialect) + _framed(opening)
        return (head, b"") if behaviour.role_first and opening else (b"", head)

    def _counts_of_opening(self) -> Counts | None:
        if self._kind.dialect.always_counts and self._behaviour.usage == "requested":
            return self._counts(0)
        return self._counts_of_event(0)

    def _counts_of_event(self, tokens: int) -> Counts | None:
        """Return the counts that an event before the last one has."""
        if self._behaviour.usage == "zeros":
            return NOTHING
        return self._counts(tokens) if self._kind.usage_each else None

    def _end(self, block: int | None) -> bytes:
        """Return what follows the text; the end of the body only if it is not held open."""
        kind, tokens = self._kind, self._kind.tokens + self._has_eos
        final = self._counts(tokens) if kind.usage_last and not kind.usage_each else None
        counts = self._counts_of_event(tokens)
        end = _framed(kind.dialect.closing(kind.model, block, kind.is_cut, counts, final))
        return end if self._behaviour.hold_open else end + BODY_END

    def _whole(self) -> bytes:
        kind, behaviour = self._kind, self._behaviour
        reasoning, text = whole_texts(kind.tokens, behaviour)
        counts = self._counts(kind.tokens + self._has_eos) if behaviour.usage != "none" else None
        return plain(200, kind.dialect.whole(kind.model, text, reasoning, kind.is_cut, counts))

    def _counts(self, tokens: int) -> Counts:
        """Return the counts up to that many output tokens."""
        prompt, behaviour = self._kind.prompt_tokens, self._behaviour
        reasoning = min(behaviour.reasoning_tokens, tokens)
        return Counts(
            prompt=prompt,
            cached=min(behaviour.cached_tokens, prompt),
            output=tokens,
            counted=tokens - reasoning if behaviour.reasoning == "uncounted" else tokens,
            reasoning=reasoning,
        )


def plain(status: int, content: Any, *headers: str) -> bytes:
    """Return a complete JSON response."""
    body = json.dumps(content).encode()
    head = [f"HTTP/1.1 {status} {REASONS[status]}", "content-type: application/json",
            f"content-length: {len(body)}", *headers]  # fmt: skip
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def refusal(dialect: AnyDialect, status: int, message: str, *headers: str) -> bytes:
    """Return an error in the dialect's shape."""
    return plain(status, dialect.error(status, REASONS[status], message), *headers)


def _stream_head(dialect: Dialect) -> bytes:
    kind = f"content-type: {dialect.content_type}"
    head = ("HTTP/1.1 200 OK", kind, "cache-control: no-cache", "transfer-encoding: chunked")
    return "\r\n".join(head).encode() + b"\r\n\r\n"


def _framed(events: list[bytes]) -> bytes:
    return b"".join(map(_frame, events))


def _frame(data: bytes) -> bytes:
    """Return one chunk of HTTP's chunked coding."""
    return b"%x\r\n%b\r\n" % (len(data), data)
