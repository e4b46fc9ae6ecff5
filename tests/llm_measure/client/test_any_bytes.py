"""Whatever bytes arrive, in any parts, end in a record that can be stored and shown."""

import asyncio
import json
from itertools import pairwise
from time import monotonic_ns

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llm_measure import apis
from llm_measure.client.asked import Asked
from llm_measure.client.connection import Connection
from llm_measure.client.exchange import Exchange
from llm_measure.client.response import parse_response
from llm_measure.records import ERROR_CLASSES, Record
from llm_measure.redaction import Secrets, clean_texts
from llm_measure.soundness import fault

TEXTS = st.text(st.characters(), max_size=20)
NUMBERS = st.integers(-(2**70), 2**70) | st.floats() | st.booleans()
ANYTHING = st.recursive(
    st.none() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
COUNTS = st.integers(-5, 300) | ANYTHING
DETAILS = st.fixed_dictionaries({}, optional={"reasoning_tokens": COUNTS}) | ANYTHING
COUNTED = {"prompt_tokens": COUNTS, "completion_tokens": COUNTS, "total_tokens": COUNTS}
USAGE = st.fixed_dictionaries({}, optional={**COUNTED, "completion_tokens_details": DETAILS}) | ANYTHING
DELTAS = st.fixed_dictionaries(
    {}, optional={"content": TEXTS, "reasoning": TEXTS, "tool_calls": st.lists(ANYTHING, max_size=2)}
)
CHOICES = st.fixed_dictionaries(
    {}, optional={"delta": DELTAS | ANYTHING, "text": TEXTS | ANYTHING, "finish_reason": TEXTS | ANYTHING}
)
CODES = st.sampled_from([429, "400", 5000 * "4", -1])
ERRORS = ANYTHING | st.fixed_dictionaries({"code": CODES | ANYTHING}, optional={"message": TEXTS})
CHUNKS = st.fixed_dictionaries(
    {}, optional={"choices": st.lists(CHOICES, max_size=3), "usage": USAGE, "error": ERRORS}
)
# Anthropic's.
THINKING = st.fixed_dictionaries({}, optional={"thinking_tokens": COUNTS}) | ANYTHING
NAMES_OF_COUNTS = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
MESSAGE_USAGE = st.fixed_dictionaries(
    {}, optional={**dict.fromkeys(NAMES_OF_COUNTS, COUNTS), "output_tokens_details": THINKING}
)
PARTS = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("text", "thinking", "partial_json", "stop_reason", "data", "name"), TEXTS)
)
BLOCKS = PARTS | st.fixed_dictionaries({"type": st.sampled_from(["thinking", "tool_use"]), "name": ANYTHING})
MESSAGE_EVENTS = st.fixed_dictionaries(
    {},
    optional={
        "delta": PARTS | ANYTHING,
        "content_block": BLOCKS | ANYTHING,
        "message": st.fixed_dictionaries({"usage": MESSAGE_USAGE}) | ANYTHING,
        "usage": MESSAGE_USAGE | ANYTHING,
        "error": ANYTHING | st.fixed_dictionaries({"type": ANYTHING, "message": ANYTHING}),
    },
)
# Gemini's.
GEMINI_PARTS = st.fixed_dictionaries(
    {},
    optional={
        "text": TEXTS | ANYTHING,
        "thought": ANYTHING,
        "inlineData": ANYTHING,
        "functionCall": ANYTHING,
    },
)
CONTENTS = st.fixed_dictionaries({"parts": st.lists(GEMINI_PARTS, max_size=2)})
CANDIDATES = st.fixed_dictionaries(
    {}, optional={"content": CONTENTS | ANYTHING, "finishReason": TEXTS | ANYTHING}
)
NAMES_OF_GEMINI_COUNTS = ("promptTokenCount", "candidatesTokenCount", "thoughtsTokenCount", "totalTokenCount")
GEMINI_CHUNKS = st.fixed_dictionaries(
    {"candidates": st.lists(CANDIDATES, max_size=2)},
    optional={
        "usageMetadata": st.fixed_dictionaries({}, optional=dict.fromkeys(NAMES_OF_GEMINI_COUNTS, COUNTS)),
        "promptFeedback": st.fixed_dictionaries({}, optional={"blockReason": ANYTHING}),
        "modelVersion": ANYTHING,
    },
)
# Those of OpenAI's Responses.
KINDS_OF_EVENTS = ("output_text.delta", "reasoning_text.delta", "output_item.added", "completed", "failed")
RESPONSE = st.fixed_dictionaries(
    {},
    optional={
        "status": TEXTS,
        "error": ANYTHING,
        "incomplete_details": st.fixed_dictionaries({"reason": TEXTS | ANYTHING}) | ANYTHING,
        "output": st.lists(st.fixed_dictionaries({"type": st.just("function_call")}) | ANYTHING, max_size=2),
        "usage": MESSAGE_USAGE | ANYTHING,
    },
)
RESPONSE_EVENTS = st.fixed_dictionaries(
    {"type": st.sampled_from([f"response.{kind}" for kind in KINDS_OF_EVENTS])},
    optional={"delta": TEXTS | ANYTHING, "item": ANYTHING, "response": RESPONSE | ANYTHING},
)
EVENTS = (CHUNKS | MESSAGE_EVENTS | GEMINI_CHUNKS | RESPONSE_EVENTS).map(
    lambda chunk: b"data: %b\n\n" % json.dumps(chunk).encode("utf-8", "replace")
)
BODIES = st.lists(EVENTS | st.just(b"data: [DONE]\n\n") | st.binary(max_size=20), max_size=6)
STATUSES = st.just("200 OK") | st.sampled_from(
    ["429 No", "500 No", "100 Continue", "000 X", "999 X", "302 F"]
)
KINDS = st.sampled_from(["text/event-stream", "application/json"])


def response(status: str, kind: str, framing: str, pieces: list[bytes]) -> bytes:
    body = b"".join(pieces)
    head = f"HTTP/1.1 {status}\r\ncontent-type: {kind}\r\nlocation: \xff\r\n".encode("latin-1")
    if framing == "length":
        return head + b"content-length: %d\r\n\r\n" % len(body) + body
    if framing == "chunked":
        chunks = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces if piece)
        return head + b"transfer-encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"
    return head + b"\r\n" + body


RESPONSES = st.builds(response, STATUSES, KINDS, st.sampled_from(["length", "chunked", "none"]), BODIES)
SENT = RESPONSES | st.lists(RESPONSES | st.binary(max_size=40), max_size=3).map(b"".join)


class Wire(asyncio.Transport):
    """A transport that leads nowhere."""

    def write(self, data: bytes) -> None:
        pass

    def abort(self) -> None:
        pass


async def answered(sent: bytes, cuts: list[int], is_closed: bool) -> tuple[Record, Exchange]:
    """A record to fill in, and the exchange in which these bytes came, cut at these places."""
    connection = Connection()
    connection.connection_made(Wire())
    ended = connection.send(b"")
    places = sorted({cut % (len(sent) + 1) for cut in cuts} | {0, len(sent)})
    for begin, end in pairwise(places):
        connection.received(sent[begin:end], monotonic_ns())
    if is_closed:
        connection.connection_lost(None)
    connection.fail("timeout", "no end within 1 s")
    exchange = await ended
    return Record(0, False, exchange.sent_ns, 0, 0), exchange


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(sent=SENT, cuts=st.lists(st.integers(0, 5000), max_size=4), is_closed=st.booleans())
def test_any_bytes_end_in_a_record_without_a_fault(sent, cuts, is_closed):
    for api in apis.names():
        record, exchange = asyncio.run(answered(sent, cuts, is_closed))
        parse_response(exchange, record, apis.named(api), Asked(most_tokens=1000))
        clean_texts(record, Secrets())

        assert fault(record) is None, api
        assert record.error in (None, *ERROR_CLASSES), api
        assert (record.error is None) == (record.error_detail is None), api
        texts = (record.error_detail, record.finish_reason)
        assert all(text is None or text.isprintable() for text in texts), api
