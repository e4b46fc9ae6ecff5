"""Servers that mean harm: whatever they send is bounded, and costs them their own responses alone."""

import gzip
import json
import threading
import time
from contextlib import closing
from itertools import cycle, repeat

import pytest

from llm_measure.client.level import measure_level
from llm_measure.endpoints import Endpoint
from llm_measure.workloads import Load, Workload
from tests.llm_measure.client.measured import CHUNKED, STREAM, errors, measured
from tests.llm_measure.scripted import ScriptedServer, chunked, head, read_request, scripted, whole
from tests.llm_measure.streams import DONE, chat, event

MIB = 1 << 20
TINY_CHUNKS = 10_000 * b"1\r\na\r\n"


def only(result):
    """The one record, and its class."""
    (record,) = result.records
    errors(result)
    return record


@pytest.mark.parametrize(
    ("steps", "detail"),
    [
        ([b"HTTP/1.1 200 OK\r\n", repeat(1000 * b"x: y\r\n")], "65536 bytes of headers or framing"),
        ([b"HTTP/1.1 200 OK\r\nx: ", repeat(65536 * b"y")], "65536 bytes of headers or framing"),
        ([repeat(100 * b"HTTP/1.1 100 Continue\r\n\r\n")], "65536 bytes of headers or framing"),
        ([repeat(b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n")], "65536 bytes of headers or framing"),
        ([CHUNKED, b"5;x=", repeat(65536 * b"y")], "65536 bytes of headers or framing"),
        ([CHUNKED, b"1\r\na\r\n0\r\n", repeat(1000 * b"x: y\r\n")], "65536 bytes of headers or framing"),
        ([head(), repeat(65536 * b"a")], "more than 64 MiB in memory"),
        ([CHUNKED, repeat(TINY_CHUNKS)], "more than 64 MiB in memory"),
        ([head(), repeat(1000 * event(choices=[]).encode())], "more than 64 MiB in memory"),
        ([whole(b"data: " + 9 * MIB * b"a")], "event: more than 8388608 bytes"),
        ([whole(1_100_000 * b"\n\n")], "events: more than 1000000"),
    ],
    ids=["headers", "a header", "100 Continue", "103 Early Hints", "a chunk extension", "trailers",
         "no end of an event", "chunks of a byte", "events", "a huge event", "blank lines"],
)  # fmt: skip
def test_what_has_no_end_or_is_huge_is_malformed(steps, detail):
    with scripted(*steps) as server:
        record = only(measured(server.url, requests=1, timeout_s=60))

    assert record.error == "malformed"
    assert detail in record.error_detail


TOKEN = chunked(chat({"content": "a"}).encode())[0]


@pytest.mark.parametrize(
    "steps",
    [
        [cycle([b"HTTP/1.1 100 Continue\r\n\r\n", 0.01])],
        [b"HTTP/1.1 200 OK\r\nx: ", cycle([b"y", 0.01])],
        [CHUNKED, cycle([TOKEN, 0.01])],
        [CHUNKED, cycle([b"1\r\n", 0.01, b"d\r\n", 0.01])],
    ],
    ids=["100 Continue", "a header", "tokens", "a byte"],
)
def test_what_trickles_without_end_is_a_timeout(steps):
    begun = time.monotonic()
    with scripted(*steps) as server:
        record = only(measured(server.url, requests=1, timeout_s=0.5))

    assert record.error == "timeout"
    assert time.monotonic() - begun < 10


FLOODS = {
    "tokens": [CHUNKED, repeat(100 * TOKEN)],
    "chunks of a byte": [CHUNKED, repeat(TINY_CHUNKS)],
}


@pytest.mark.parametrize("steps", FLOODS.values(), ids=FLOODS)
def test_a_stop_ends_a_flood_immediately(steps):
    stop, asked = threading.Event(), []

    def when_sent(progress):
        if progress.elapsed_s > 0.3 and not asked:
            asked.append(time.monotonic())
            stop.set()

    with scripted(*steps) as server:
        load = Load(concurrency=2, duration_s=60)
        result = measure_level(Endpoint(server.url, "m"), Workload(), load, on_progress=when_sent, stop=stop)

    assert time.monotonic() - asked[0] < 10
    assert set(errors(result)) <= {"cancelled", "malformed"}


class EagerServer(ScriptedServer):
    """Responds to each connection before a request comes, and then to each request."""

    def _respond(self, connection):
        connection.sendall(whole(STREAM))
        super()._respond(connection)


def test_a_response_before_the_request_is_never_a_crash():
    with closing(EagerServer([whole(STREAM)], keep=True, tls=None)) as server:
        result = measured(server.url, requests=10, concurrency=2)

    assert errors(result).total() == 10


def test_more_responses_than_requests_end_the_connection():
    with scripted(1000 * whole(STREAM), keep=True) as server:
        result = measured(server.url, requests=5)
        assert server.connections == 5

    assert errors(result) == {None: 5}


@pytest.mark.parametrize(
    ("steps", "error"),
    [
        ([head("200 OK", "text/event-stream", "content-length: 100000"), STREAM[:-14]], "truncated"),
        ([head("200 OK", "text/event-stream", "content-length: 40"), STREAM], "malformed"),
        ([head("200 OK", "text/event-stream", "content-length: -1"), STREAM], "malformed"),
        ([head("200 OK", "text/event-stream", "content-length: " + 5000 * "9"), STREAM], "malformed"),
        ([CHUNKED, b"ffffffffffffffffff\r\n", STREAM], "malformed"),
        ([b"HTTP/1.1 100 Continue\r\ncontent-length: 5\r\n\r\n"], "truncated"),
        ([whole(b"", "000 Nothing")], "malformed"),
        ([whole(b"", "999 Much")], "malformed"),
        ([whole(b"", "302 Found", "text/plain", "location: http://" + 60_000 * "x")], "malformed"),
        ([whole(event(error={"message": "no", "code": 5000 * "4"}).encode())], "http_5xx"),
        ([whole(b'data: {"error": ' + 100_000 * b"[")], "malformed"),
        ([whole(b"[" * 100_000, "500 No", "application/json")], "http_5xx"),
    ],
    ids=["too long a length", "too short a length", "a negative length", "a huge length", "a huge chunk",
         "100 Continue alone", "status 000", "status 999", "a huge location", "a huge code", "deep JSON",
         "a deep error"],
)  # fmt: skip
def test_what_contradicts_itself_fails_its_request(steps, error):
    with scripted(*steps) as server:
        assert only(measured(server.url, requests=1)).error == error


def test_an_error_as_deep_as_decoding_allows_fails_its_request():
    with scripted(
        *(whole(b'data: {"error": %b%b}' % (n * b"[", n * b"]")) for n in range(900, 1000))
    ) as server:
        assert errors(measured(server.url, requests=5)).total() == 5


@pytest.mark.parametrize(
    ("unpacked", "detail"),
    [(20 * MIB * b"a", "event: more than 8388608 bytes"), (65 * MIB * b"\n", "more than 64 MiB unpacked")],
    ids=["an event", "all together"],
)
def test_a_compressed_body_is_not_asked_for_and_unpacks_within_the_limits(unpacked, detail):
    bomb = gzip.compress(unpacked)
    with scripted(whole(bomb, "200 OK", "text/event-stream", "content-encoding: gzip")) as server:
        record = only(measured(server.url, requests=1))

    assert b"accept-encoding" not in server.requests[0].lower()
    assert record.error == "malformed"
    assert detail in record.error_detail


@pytest.mark.parametrize("count", ["-5", "1e400", "9223372036854775808", "true", '"12"', "NaN", "9999999"])
@pytest.mark.parametrize("last", [True, False], ids=["last", "first"])
def test_an_impossible_count_fails_its_request_and_is_named(count, last):
    counted = chat({"content": "a"}, usage={"completion_tokens": "@"}).replace('"@"', count)
    stream = chat({"content": "a"}) + counted if last else counted + chat({"content": "a"})
    with scripted(whole((stream + chat({}, "stop") + DONE).encode())) as server:
        record = only(measured(server.url, requests=1))

    assert record.error == "malformed"
    assert "completion_tokens" in record.error_detail
    assert count in record.error_detail


@pytest.mark.parametrize(
    ("count", "characters"), [(5000, 1), (40_000, 20_000)], ids=["hidden reasoning", "max_tokens ignored"]
)
def test_a_count_above_max_tokens_that_can_be_true_is_none(count, characters):
    stream = chat({"content": characters * "a"}, "stop", usage={"completion_tokens": count}) + DONE
    with scripted(whole(stream.encode())) as server:
        record = only(measured(server.url, requests=1))

    assert (record.error, record.output_tokens) == (None, count)


@pytest.mark.parametrize("text", ["nul \0", "a \ud800 half", "\x1b[2J", "a\r\nline", "\u202e"])
def test_texts_are_kept_without_control_characters(text):
    finished = chat({"content": "a"}, "@").replace("@", json.dumps(text)[1:-1]).encode()
    refused = json.dumps({"error": {"message": text}}).encode()
    with scripted(whole(finished + DONE.encode())) as server:
        errors(measured(server.url, requests=1))
    with scripted(whole(refused, "500 No", "application/json")) as server:
        assert only(measured(server.url, requests=1)).error == "http_5xx"
    with scripted(whole(b"\xff\x00\xed\xa0\x80", "500 No", "text/plain")) as server:
        assert only(measured(server.url, requests=1)).error == "http_5xx"


KEY = "sk-s3cret-key"


@pytest.mark.parametrize(
    "message",
    [
        5 * MIB * "x",
        "your key " + KEY + 5 * MIB * "x",
        f"Authorization: Bearer {KEY}",
        'headers: {"Authorization": "Basic dXM6QA=="}',
        "see http://us:passw0rd@host/",
    ],
    ids=["5 MiB", "5 MiB and the key", "a header", "another's header", "a URL"],
)
def test_an_error_text_is_cut_and_shows_no_credentials(message):
    body = json.dumps({"error": {"message": message}}).encode()
    for answer in (whole(body, "401 No", "application/json"), whole(b"data: " + body + b"\n\n")):
        with scripted(answer) as server:
            detail = only(measured(server.url, requests=1, key=KEY)).error_detail

        assert not any(secret in detail for secret in ("sk-s", "dXM6QA", "passw0rd"))
        assert "(hidden)" in detail or "xxx" in detail


def test_a_level_continues_through_what_a_server_does_to_some_responses():
    answers = cycle([whole(STREAM), whole(b"data: {" + 9 * MIB * b"a"), 2000 * b"x: y\r\n"])

    class Alternating(ScriptedServer):
        def _respond(self, connection):
            read_request(connection)
            connection.sendall(next(answers))

    with closing(Alternating([], keep=False, tls=None)) as server:
        result = measured(server.url, requests=9)

    assert errors(result) == {None: 3, "malformed": 6}
