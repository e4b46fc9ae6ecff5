"""What the responses on the wire say: the moment of each chunk with text, and the server's own counts."""

import json
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from bench.wire.pcap import Exchange

EVENT_END = re.compile(rb"\r\n\r\n|\n\n")
TEXT_FIELDS = ("text", "content", "reasoning_content", "reasoning")
CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked\r\n", re.IGNORECASE)
DONE = b"[DONE]"


@dataclass(frozen=True)
class Answer:
    """One streamed answer; moments in ns since the epoch."""

    sent_ns: int
    text_ns: tuple[int, ...]  # of each chunk with text: of the packet that completes its event
    output_tokens: int | None  # by the server's usage
    finish_reason: str | None


def answer(exchange: Exchange) -> Answer:
    """Return the answer that the exchange brought."""
    moments, usage, finish_reason = [], None, None
    for moment, data in _events(exchange):
        if data == DONE:
            continue
        chunk = json.loads(data)
        usage = (chunk.get("usage") or {}).get("completion_tokens", usage)
        for choice in chunk.get("choices") or ():
            finish_reason = choice.get("finish_reason") or finish_reason
            if _has_text(choice):
                moments.append(moment)
    return Answer(exchange.sent_ns, tuple(moments), usage, finish_reason)


def _has_text(choice: dict[str, Any]) -> bool:
    content = choice.get("delta") or choice
    return any(content.get(name) for name in TEXT_FIELDS)


def _events(exchange: Exchange) -> Iterator[tuple[int, bytes]]:
    """Yield the data of each event, with the moment when its end came."""
    body, offset = _body(bytes(exchange.response))
    begin = 0
    for end in EVENT_END.finditer(body):
        lines = body[begin : end.start()].splitlines()
        data = b"\n".join(line[5:].strip() for line in lines if line.startswith(b"data:"))
        if data:
            yield exchange.arrived_ns(offset(end.end() - 1)), data
        begin = end.end()


def _body(response: bytes) -> tuple[bytes, Callable[[int], int]]:
    """Return the body, and a function from an offset in it to the one in the response."""
    begin = response.find(b"\r\n\r\n") + 4
    if not CHUNKED.search(response[:begin]):
        return response[begin:], lambda offset: begin + offset
    parts, starts, places, at, length = [], [], [], begin, 0
    while (line_end := response.find(b"\r\n", at)) >= 0:
        size = int(response[at:line_end].partition(b";")[0], 16)
        if not size:
            break
        at = line_end + 2
        parts.append(response[at : at + size])
        starts.append(length)
        places.append(at)
        length, at = length + size, at + size + 2

    def offset(within: int) -> int:
        chunk = bisect_right(starts, within) - 1
        return places[chunk] + within - starts[chunk]

    return b"".join(parts), offset
