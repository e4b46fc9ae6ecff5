"""Streams as servers send them, with LF, and what a parser must find in them."""

import json
from dataclasses import dataclass

from llm_measure.client.connection import Exchange
from llm_measure.records import Record


@dataclass(frozen=True)
class Stream:
    """The text, and what it holds: which of its events have tokens, and how many."""

    text: str
    token_events: tuple[int, ...]  # counted among the events with data
    tokens: tuple[int, ...]
    source: str
    finish_reason: str | None = "stop"
    prompt_tokens: int | None = None
    api: str = "chat"

    @property
    def body(self) -> bytes:
        return self.text.encode()


def event(**chunk: object) -> str:
    return f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n"


def chat(delta: dict, finish_reason: str | None = None, **more: object) -> str:
    return event(choices=[{"index": 0, "delta": delta, "finish_reason": finish_reason}], **more)


def usage(prompt: int, completion: int) -> dict:
    return {"prompt_tokens": prompt, "completion_tokens": completion}


DONE = "data: [DONE]\n\n"
STREAMS = {
    "role first, usage last": Stream(
        chat({"role": "assistant", "content": ""}) + chat({"content": "Hello"}) + chat({"content": " world"})
        + chat({}, "stop") + event(choices=[], usage=usage(9, 2)) + DONE,
        (1, 2), (1, 1), "usage", prompt_tokens=9,
    ),
    "usage in each chunk": Stream(
        chat({"content": "ab"}, usage=usage(3, 2)) + chat({"content": "c"}, usage=usage(3, 5))
        + chat({"content": "d"}, "length", usage=usage(3, 6)) + DONE,
        (0, 1, 2), (2, 3, 1), "usage", "length", 3,
    ),
    "no usage": Stream(
        chat({"content": "a"}) + chat({"content": "b"}) + chat({}, "stop", usage=None) + DONE,
        (0, 1), (1, 1), "chunks",
    ),
    "characters of several bytes": Stream(
        chat({"content": "é€😀"}) + chat({"content": "日本"}) + chat({}, "stop") + DONE,
        (0, 1), (1, 1), "chunks",
    ),
    "reasoning": Stream(
        chat({"role": "assistant", "content": None}) + chat({"reasoning_content": "hm"})
        + chat({"reasoning": "so"}) + chat({"content": "42"}) + chat({}, "stop")
        + event(choices=[], usage=usage(1, 3)) + DONE,
        (1, 2, 3), (1, 1, 1), "usage", prompt_tokens=1,
    ),
    "a tool call": Stream(
        chat({"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": ""}}]})
        + chat({"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]})
        + chat({}, "tool_calls") + DONE,
        (0, 1), (1, 1), "chunks", "tool_calls",
    ),
    "several choices": Stream(
        event(choices=[{"index": 0, "delta": {"content": "a"}}, {"index": 1, "delta": {"content": "b"}}])
        + event(choices=[{"index": 1, "delta": {"content": "c"}, "finish_reason": "stop"}])
        + event(choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}]) + DONE,
        (0, 1), (1, 1), "chunks",
    ),
    "comments, empty data and other fields": Stream(
        ": ping\n\n" + "data:\n\n" + "event: chunk\nid: 7\n: x\n" + chat({"content": "a"}) + "\n\n"
        + "retry: 5\n\n" + chat({"content": "b"}).replace("data: ", "data:") + chat({}, "stop") + DONE,
        (0, 1), (1, 1), "chunks",
    ),
    "data of several lines": Stream(
        'data: {"choices": [\ndata: {"delta": {"content": "a"}}\ndata: ]}\n\n' + chat({}, "stop") + DONE,
        (0,), (1,), "chunks",
    ),
    "completions": Stream(
        event(choices=[{"index": 0, "text": " a"}]) + event(choices=[{"index": 0, "text": " b"}])
        + event(choices=[{"index": 0, "text": "", "finish_reason": "length"}], usage=usage(4, 2)) + DONE,
        (0, 1), (1, 1), "usage", "length", 4, "completions",
    ),
    "a response without a token": Stream(
        chat({"role": "assistant", "content": ""}) + chat({}, "stop")
        + event(choices=[], usage=usage(5, 0)) + DONE,
        (), (), "usage", prompt_tokens=5,
    ),
    "no blank line at the end": Stream(
        chat({"content": "a"}) + chat({}, "stop") + DONE.rstrip("\n"), (0,), (1,), "chunks"
    ),
    "a byte order mark": Stream(
        "\ufeff" + chat({"content": "a"}) + chat({}, "stop") + DONE, (0,), (1,), "chunks"
    ),
}  # fmt: skip


def exchange(parts: list[bytes], times: list[int]) -> Exchange:
    """A request sent at 0 whose response arrived in these parts at these moments."""
    made = Exchange(0, stale_ns=0)
    made.status, made.content_type = 200, b"text/event-stream; charset=utf-8"
    made.parts, made.times = parts, times
    made.first_byte_ns, made.end_ns = times[0] if times else None, times[-1] if times else 0
    return made


def record() -> Record:
    return Record(index=0, warmup=False, intended_ns=0, sent_ns=0, end_ns=0)
