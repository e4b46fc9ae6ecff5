"""Streams as servers send them, with LF, and what a parser must find in them."""

import json
from dataclasses import dataclass

from llm_measure.client.exchange import Exchange
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
    hidden: int = 0  # how many tokens are counted that no chunk shows, such as the end of the sequence

    @property
    def body(self) -> bytes:
        return self.text.encode()


def event(**chunk: object) -> str:
    return f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n"


def chat(delta: dict, finish_reason: str | None = None, **more: object) -> str:
    return event(choices=[{"index": 0, "delta": delta, "finish_reason": finish_reason}], **more)


def usage(prompt: int, completion: int) -> dict:
    return {"prompt_tokens": prompt, "completion_tokens": completion}


def named(kind: str, **fields: object) -> str:
    """An event as Anthropic names and types them."""
    return f"event: {kind}\n{event(type=kind, **fields)}"


def started(**usage: object) -> str:
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "content": [],
               "stop_reason": None, "stop_sequence": None, "usage": usage}  # fmt: skip
    return named("message_start", message=message)


def block(index: int, **content: object) -> str:
    return named("content_block_start", index=index, content_block=content)


def delta(index: int, kind: str, **content: object) -> str:
    return named("content_block_delta", index=index, delta={"type": kind, **content})


def block_end(index: int) -> str:
    return named("content_block_stop", index=index)


def stopped(reason: str, **usage: object) -> str:
    return named("message_delta", delta={"stop_reason": reason, "stop_sequence": None}, usage=usage)


def generated(*parts: dict, finish_reason: str | None = None, **counts: int) -> str:
    """A chunk as Gemini sends it; counts by the first word of their names."""
    reason = {"finishReason": finish_reason} if finish_reason else {}
    usage = {f"{name}TokenCount": count for name, count in counts.items()}
    candidates = [{"content": {"parts": parts, "role": "model"}, **reason, "index": 0}]
    return event(candidates=candidates, usageMetadata=usage, modelVersion="gemini-3", responseId="r")


STOP = named("message_stop")
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
    "Anthropic's text": Stream(
        started(input_tokens=9, output_tokens=4) + block(0, type="text", text="") + named("ping")
        + delta(0, "text_delta", text="Good") + delta(0, "text_delta", text=" day") + block_end(0)
        + stopped("end_turn", output_tokens=3) + STOP,
        (3, 4), (1, 1), "usage", prompt_tokens=9, api="messages", hidden=1,
    ),
    "Anthropic's thinking, cached prompt and padding": Stream(
        started(input_tokens=3, cache_creation_input_tokens=5, cache_read_input_tokens=40, output_tokens=1)
        + block(0, type="thinking", thinking="", signature="")
        + delta(0, "thinking_delta", thinking="Two") + delta(0, "thinking_delta", thinking=" twos")
        + delta(0, "signature_delta", signature="EqQBCgIYAhIM") + block_end(0)
        + block(1, type="text", text="") + delta(1, "text_delta", text="4") + block_end(1)
        + stopped("max_tokens", input_tokens=3, cache_creation_input_tokens=5, cache_read_input_tokens=40,
                  output_tokens=3, output_tokens_details={"thinking_tokens": 2})
        + STOP.replace("}", "     }"),
        (2, 3, 7), (1, 1, 1), "usage", "length", 48, "messages",
    ),
    "Anthropic's tool use": Stream(
        started(input_tokens=70, output_tokens=2) + block(0, type="text", text="")
        + delta(0, "text_delta", text="Let me look.") + block_end(0)
        + block(1, type="tool_use", id="toolu_1", name="get_weather", input={})
        + delta(1, "input_json_delta", partial_json="")
        + delta(1, "input_json_delta", partial_json='{"city": "San')
        + delta(1, "input_json_delta", partial_json=' Jos\u00e9"}') + block_end(1)
        + stopped("tool_use", output_tokens=4) + STOP,
        (2, 4, 6, 7), (1, 1, 1, 1), "usage", "tool_calls", 70, "messages",
    ),
    "Gemini's text, counted with the thoughts that it hides": Stream(
        generated({"text": "A cube has"}, prompt=7, candidates=3, total=150, thoughts=140)
        + generated({"text": " 6 faces, 12 edges\nand 8 corners."},
                    prompt=7, candidates=15, total=162, thoughts=140)
        + generated({"text": "", "thoughtSignature": "bW9jaw=="}, finish_reason="STOP",
                    prompt=7, candidates=15, total=162, thoughts=140),
        (0, 1), (3, 12), "usage", prompt_tokens=7, api="gemini", hidden=140,
    ),
    "Gemini's thoughts and function call": Stream(
        generated({"text": "**Where is it?**\n\nIn José's zone.\n", "thought": True},
                  prompt=31, total=43, thoughts=12)
        + generated({"text": "**A call**\n\n`clock` knows the time.\n", "thought": True},
                    prompt=31, total=55, thoughts=24)
        + generated({"functionCall": {"name": "clock", "args": {"zone": "CET"}}, "thoughtSignature": "bW9j"},
                    finish_reason="STOP", prompt=31, candidates=6, total=61, thoughts=24),
        (0, 1, 2), (12, 12, 6), "usage", prompt_tokens=31, api="gemini",
    ),
    "Vertex AI's counts at the end": Stream(
        event(candidates=[{"content": {"role": "model", "parts": [{"text": "The sea"}]}}],
              usageMetadata={"trafficType": "ON_DEMAND"}, modelVersion="gemini-3")
        + generated({"text": " is very calm today"}, finish_reason="MAX_TOKENS",
                    prompt=9, candidates=7, total=16),
        (0, 1), (2, 5), "usage", "length", 9, "gemini",
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
