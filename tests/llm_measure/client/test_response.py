import json

import pytest

from llm_measure import apis
from llm_measure.client.asked import Asked
from llm_measure.client.response import parse_response
from tests.llm_measure.streams import DONE, STREAMS, chat, event, exchange, record


def read(*parts: bytes, api: str = "chat", model: str = "", **changes: object):
    """The record of a response that arrived in these parts, at 100, 200, ..."""
    made = exchange(list(parts), [100 * number for number in range(1, len(parts) + 1)])
    for name, value in changes.items():
        setattr(made, name, value)
    filled = record()
    parse_response(made, filled, apis.named(api), Asked(model))
    return filled


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"], ids=["LF", "CRLF"])
@pytest.mark.parametrize("name", STREAMS)
def test_every_split_of_a_stream_in_two_gives_the_same_record(name, line_end):
    stream = STREAMS[name]
    body = stream.body.replace(b"\n", line_end)

    for cut in range(1, len(body)):
        filled = read(body[:cut], body[cut:], api=stream.api)

        assert (filled.error, filled.finish_reason) == (None, stream.finish_reason)
        assert (filled.output_tokens, filled.token_source) == (
            sum(stream.tokens) + stream.hidden,
            stream.source,
        )
        assert (filled.prompt_tokens, tuple(filled.chunk_tokens)) == (stream.prompt_tokens, stream.tokens)
        assert len(filled.chunk_offsets_ns) == len(stream.token_events)


@pytest.mark.parametrize("name", STREAMS)
def test_only_chunks_with_tokens_have_a_moment(name):
    stream = STREAMS[name]
    blocks = [block + b"\n\n" for block in stream.body.split(b"\n\n") if block]
    with_data = [
        number for number, block in enumerate(blocks, 1) if b"data: {" in block or b"data:{" in block
    ]

    filled = read(*blocks, api=stream.api)

    moments = [100 * with_data[number] for number in stream.token_events]
    assert filled.chunk_offsets_ns == moments
    assert filled.first_token_ns == (moments[0] if moments else None)
    assert filled.last_token_ns == (moments[-1] if moments else None)


STARTED = chat({"content": "a"})
HTML, JSON = {"content_type": b"text/html"}, {"content_type": b"application/json"}


@pytest.mark.parametrize(
    ("body", "changes", "error", "word"),
    [
        (STARTED, {}, "truncated", "the stream broke off after 1 events"),
        (STARTED + 'data: {"choices": [\n\n', {}, "malformed", "choices"),
        (STARTED + "data: nonsense\n\n", {}, "malformed", "nonsense"),
        (STARTED + 'data: {"choices": 5}\n\n', {}, "malformed", "choices"),
        (STARTED + event(error={"message": "out of memory", "code": 500}), {}, "http_5xx", "out of memory"),
        (STARTED + event(error={"message": "slow down", "code": 429}), {}, "rate_limited", "slow down"),
        (STARTED + event(error={"message": "x", "code": "bad"}), {}, "http_5xx", "within the stream"),
        ("<html>no</html>", HTML, "malformed", "expected an event stream, got text/html: '<html>no</html>'"),
        ('{"choices": []}', JSON, "malformed", "expected an event stream, got application/json"),
        ("", {"content_type": b""}, "malformed", "expected an event stream, got no content type: ''"),
        ("", {}, "truncated", "the stream broke off before its first event; nothing came"),
        (" upstream lost", {}, "truncated", "before its first event; only ' upstream lost' came"),
        ('{"error": {"message": "slow", "code": 429}}', JSON, "rate_limited", "instead of a stream: slow"),
        ('{"object": "error", "message": "too long", "code": 400}', {}, "http_4xx", "too long"),
        ("", {"status": 302, "detail": "http://other/"}, "malformed", "302: redirect to http://other/;"),
        ('{"error": {"message": "no such key"}}', {"status": 401}, "http_4xx", "401: no such key"),
        ('{"detail": "Not Found"}', {"status": 404}, "http_4xx", "404: Not Found"),
        ('{"error": "why"}', {"status": 400}, "http_4xx", "400: why"),
        ("[1]", {"status": 400}, "http_4xx", "[1]"),
        ("slow", {"status": 429}, "rate_limited", "slow"),
        ("<html>", {"status": 502}, "http_5xx", "<html>"),
        ("", {"status": 503}, "http_5xx", "503"),
        (STARTED, {"failure": "timeout", "detail": "no end within 1 s"}, "timeout", "no end within 1 s"),
        ("", {"status": None, "failure": "connect", "detail": "gone"}, "connect", "gone"),
    ],
)  # fmt: skip
def test_a_failure_has_its_class_and_a_detail(body, changes, error, word):
    filled = read(body.encode(), **changes)

    assert filled.error == error
    assert word in filled.error_detail


ENDED = chat({}, "stop") + DONE
LOOSE = {
    "half a character": chat({"content": "?"}).encode().replace(b"?", b"\xe6\xad"),
    "a lone surrogate": chat({"content": "?"}).replace("?", r"\ud83d").encode(),
    "a list of parts": chat({"content": [{"type": "text", "text": "a"}]}).encode(),
    "reasoning as a list": chat({"reasoning": [{"type": "text", "text": "hm"}]}).encode(),
    "reasoning details": chat({"content": "", "reasoning_details": [{"text": "hm", "index": 0}]}).encode(),
    "a function call": chat({"function_call": {"name": "f", "arguments": "{}"}}).encode(),
    "a count as a float": chat({"content": "a"}, usage={"completion_tokens": 1.0}).encode(),
    **{f"error {error!r}": chat({"content": "a"}, error=error).encode() for error in ("", {}, [], False, 0)},
}


@pytest.mark.parametrize("name", LOOSE)
def test_what_is_not_needed_may_be_loose(name):
    filled = read(LOOSE[name], ENDED.encode())

    assert (filled.error, filled.output_tokens, filled.first_token_ns) == (None, 1, 100)


IN_CHOICE = event(choices=[{"delta": {}, "error": {"code": 502, "message": "upstream gone"}}])


@pytest.mark.parametrize(
    ("broken", "error", "word"),
    [
        (
            'event: error\ndata: {"message": "Upstream error", "status": 502}\n\n',
            "http_5xx",
            "Upstream error",
        ),
        ('event: error\ndata: {"error": {"message": "slow", "code": 429}}\n\n', "rate_limited", "slow"),
        ("event: error\ndata: out of memory\n\n", "http_5xx", "out of memory"),
        (IN_CHOICE, "http_5xx", "upstream gone"),
        (chat({}, "abort"), "truncated", "finish_reason=abort"),
        (chat({}, "error"), "truncated", "finish_reason=error"),
    ],
)
def test_a_broken_end_fails(broken, error, word):
    filled = read((STARTED + broken + DONE).encode())

    assert filled.error == error
    assert word in filled.error_detail


def test_an_error_within_a_stream_is_the_failure_even_if_the_body_stays_open():
    limited = event(error={"message": "slow down", "code": 429})

    filled = read((STARTED + limited + DONE).encode(), failure="truncated", detail="cut")

    assert (filled.error, filled.end_ns) == ("rate_limited", 100)


@pytest.mark.parametrize("body", [DONE, 'data: {"message": "queued"}\n\n' + DONE, ": ping\n\n" + DONE])
def test_nothing_answered_is_a_failure_and_says_what_came(body):
    filled = read(body.encode())

    assert filled.error == "malformed"
    assert "nothing answered" in filled.error_detail
    assert body[:10] in filled.error_detail


COUNTED = event(choices=[], usage={"completion_tokens": 1})


@pytest.mark.parametrize(
    "body", [chat({}, "stop"), event(choices=[], usage={"completion_tokens": 0}), chat({}, "stop") + COUNTED]
)
def test_an_immediate_end_of_the_sequence_is_right(body):
    assert read((body + DONE).encode()).error is None


@pytest.mark.parametrize(
    ("usage", "detail"),
    [
        ({"completion_tokens": 10}, "10 tokens counted, none streamed; expected a text"),
        (
            {"completion_tokens": 10, "completion_tokens_details": {"reasoning_tokens": 10}},
            "10 tokens counted, 10 of them reasoning, none streamed; expected a text",
        ),
    ],
)
@pytest.mark.parametrize("reason", ["stop", "length"])
def test_tokens_that_were_counted_and_not_streamed_are_a_failure(usage, detail, reason):
    filled = read((chat({}, reason) + event(choices=[], usage=usage) + DONE).encode())

    assert (filled.error, filled.error_detail, filled.output_tokens) == ("malformed", detail, 10)


FLAT = [
    {"object": "error", "message": "no"},
    {"type": "error", "message": "no"},
    {"object": "error", "message": "no", "type": "BadRequestError", "code": 400, "param": None},
    {"message": "no", "code": "server_error"},
    {"detail": "no"},
    {"error": "no"},
    {"error": {"message": "no"}},
]


@pytest.mark.parametrize("error", FLAT, ids=json.dumps)
@pytest.mark.parametrize("end", ["", DONE])
@pytest.mark.parametrize("cut", [None, 20], ids=["plain", "cut"])
def test_an_error_object_after_tokens_fails_with_its_message(error, end, cut):
    parts = [STARTED.encode(), event(**error).encode(), end.encode()]
    if cut:
        whole = b"".join(parts)
        parts = [whole[:cut], whole[cut:]]

    filled = read(*filter(None, parts))

    assert filled.error in ("http_4xx", "http_5xx")
    assert filled.error_detail == "within the stream: no"


@pytest.mark.parametrize(
    "harmless",
    [{"type": "ping"}, {"message": "queued"}, {"object": "status", "status": "queued"}, {"detail": None}],
    ids=json.dumps,
)
def test_an_event_that_is_neither_a_chunk_nor_an_error_does_no_harm(harmless):
    assert read((STARTED + event(**harmless) + chat({"content": "b"}) + ENDED).encode()).error is None


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ({"code": 429}, "rate_limited"),
        ({"code": "429"}, "rate_limited"),
        ({"status": "400", "code": 1234}, "http_4xx"),
        ({"code": "rate_limit_exceeded", "type": "requests"}, "rate_limited"),
        ({"type": "insufficient_quota"}, "rate_limited"),
        ({"code": "RESOURCE_EXHAUSTED"}, "rate_limited"),
        ({"type": "RateLimitError"}, "rate_limited"),
        ({"code": "context_length_exceeded", "type": "invalid_request_error"}, "http_4xx"),
        ({"type": "exceed_context_size_error"}, "http_4xx"),
        ({"type": "invalid_request_error"}, "http_4xx"),
        ({"code": "model_not_found"}, "http_4xx"),
        ({"type": "BadRequestError"}, "http_4xx"),
        ({"type": "authentication_error"}, "http_4xx"),
        ({"code": "content_filter"}, "http_4xx"),
        ({"type": "permission_error"}, "http_4xx"),
        ({"type": "server_error"}, "http_5xx"),
        ({"type": "overloaded_error"}, "http_5xx"),
        ({"type": "InternalServerError", "code": None}, "http_5xx"),
        ({"type": "no idea"}, "http_5xx"),
    ],
)
def test_an_error_within_a_stream_has_the_class_of_its_code(error, expected):
    filled = read((STARTED + event(error={"message": "no", **error}) + DONE).encode())

    assert (filled.error, filled.error_detail) == (expected, "within the stream: no")


def test_tokens_before_a_failure_are_kept():
    filled = read(STARTED.encode() + b'data: {"cho', failure="truncated", detail="cut")

    assert filled.first_token_ns == 100
    assert filled.error == "truncated"


def test_either_an_end_or_a_finish_reason_completes_a_response():
    assert read((STARTED + DONE).encode()).error is None
    assert read((STARTED + chat({}, "stop")).encode()).error is None
