import pytest

from llm_measure import apis
from llm_measure.client.response import parse_response
from tests.llm_measure.streams import DONE, STREAMS, chat, event, exchange, record


def read(*parts: bytes, api: str = "chat", **changes: object):
    """The record of a response that arrived in these parts, at 100, 200, ..."""
    made = exchange(list(parts), [100 * number for number in range(1, len(parts) + 1)])
    for name, value in changes.items():
        setattr(made, name, value)
    filled = record()
    parse_response(made, filled, apis.named(api))
    return filled


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"], ids=["LF", "CRLF"])
@pytest.mark.parametrize("name", STREAMS)
def test_every_split_of_a_stream_in_two_gives_the_same_record(name, line_end):
    stream = STREAMS[name]
    body = stream.body.replace(b"\n", line_end)

    for cut in range(1, len(body)):
        filled = read(body[:cut], body[cut:], api=stream.api)

        assert (filled.error, filled.finish_reason) == (None, stream.finish_reason)
        assert (filled.output_tokens, filled.token_source) == (sum(stream.tokens), stream.source)
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
        ("", {}, "truncated", "the stream broke off after 0 events"),
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


def test_bytes_that_are_not_utf_8_are_malformed():
    body = STARTED.encode() + b'data: {"choices": [{"delta": {"content": "\xff"}}]}\n\n'

    assert read(body).error == "malformed"


def test_tokens_before_a_failure_are_kept():
    filled = read(STARTED.encode() + b'data: {"cho', failure="truncated", detail="cut")

    assert filled.first_token_ns == 100
    assert filled.error == "truncated"


def test_either_an_end_or_a_finish_reason_completes_a_response():
    assert read((STARTED + DONE).encode()).error is None
    assert read((STARTED + chat({}, "stop")).encode()).error is None
