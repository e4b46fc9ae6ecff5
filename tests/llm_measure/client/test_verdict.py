"""One verdict on each response, which pauses, progress and metrics follow."""

import socket
import struct
import time

import pytest

from llm_measure import apis
from llm_measure.client.judge import SMALL_BYTES
from llm_measure.client.level import measure_level
from llm_measure.client.response import ends_well
from llm_measure.endpoints import Endpoint
from llm_measure.workloads import Load, Workload
from tests.llm_measure.client.measured import CHUNKED, STREAM, errors, measured
from tests.llm_measure.scripted import ScriptedServer, chunked, read_request, scripted, whole
from tests.llm_measure.streams import DONE, chat, event, exchange

STAYS_OPEN = [CHUNKED, chunked(STREAM)[0], 5.0]


def test_a_response_ends_with_its_stream_although_the_body_stays_open():
    with scripted(*STAYS_OPEN) as server:
        result = measured(server.url, requests=3, timeout_s=4)

    assert errors(result) == {None: 3}
    assert all(record.end_ns - record.sent_ns < 1e9 for record in result.records)
    assert result.duration_s < 3


class CuttingServer(ScriptedServer):
    """Resets the connection after the end of the stream, within the body."""

    def _respond(self, connection):
        read_request(connection)
        connection.sendall(CHUNKED + chunked(STREAM)[0])
        time.sleep(0.005)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def test_a_response_ends_with_its_stream_although_the_connection_is_cut():
    server = CuttingServer([], keep=False, tls=None)
    result = measured(server.url, requests=3)
    server.close()

    assert errors(result) == {None: 3}


def test_a_connection_is_used_again_if_its_body_ends_a_little_after_the_stream():
    with scripted(CHUNKED, chunked(STREAM)[0], 0.002, b"0\r\n\r\n", keep=True) as server:
        result = measured(server.url, requests=5)
        assert server.connections == 1

    assert errors(result) == {None: 5}


def test_an_end_within_a_text_ends_no_response():
    first = chunked((chat({"content": "data: [DONE]"}) + chat({"content": "a"})).encode())[0]
    with scripted(CHUNKED, first, 0.1, *chunked(STREAM)) as server:
        (record,) = measured(server.url, requests=1).records

    assert (record.error, len(record.chunk_tokens)) == (None, 4)


def paced(*steps: bytes | float, duration_s: float = 1.0):
    """The level of one stream, and its last progress."""
    seen = []
    with scripted(*steps, keep=True) as server:
        load = Load(concurrency=1, duration_s=duration_s)
        result = measure_level(Endpoint(server.url, "m"), Workload(), load, on_progress=seen.append)
    return result, seen[-1]


LONG = chat({"content": "a"}) * (SMALL_BYTES // 50)
LIMITED = event(error={"message": "slow down", "code": 429})


@pytest.mark.usefixtures("lenient_validity")
@pytest.mark.parametrize(
    "response",
    [whole(STREAM, "200 OK", "text/plain"), whole(STREAM, "201 Created"),
     whole((LONG + chat({}, "stop") + DONE).encode(), "200 OK", "text/plain")],
    ids=["text/plain", "201", "large"],
)  # fmt: skip
def test_a_right_response_is_right_everywhere(response):
    result, last = paced(0.05, response)

    assert set(errors(result)) == {None}
    assert (last.failed, result.valid) == (0, True), result.invalid_reason
    assert len(result.records) > 8


@pytest.mark.parametrize("stream", [LIMITED, LIMITED + DONE, LONG + LIMITED + DONE],
                         ids=["alone", "before the end", "after a large response"])  # fmt: skip
def test_an_error_within_a_stream_counts_immediately_and_pauses(stream):
    result, last = paced(whole(stream.encode()))

    assert set(errors(result)) == {"rate_limited"}
    assert last.failed == last.ended > 0
    assert len(result.records) < 10


CHAT = apis.named("chat")


@pytest.mark.parametrize(
    ("end", "is_right"),
    [(chat({}, "stop") + DONE, True), (chat({}, "stop"), True), (DONE, True), ("", False),
     (LIMITED + DONE, False), ('data: {"choi', False), ("data: {}}\n\n" + DONE, False)],
)  # fmt: skip
@pytest.mark.parametrize("line_end", ["\n", "\r\n"], ids=["LF", "CRLF"])
def test_a_large_response_is_judged_by_its_end(end, is_right, line_end):
    body = (LONG + end).replace("\n", line_end).encode()
    for parts in ([body], [body[:-50], body[-50:]], [body[at : at + 100] for at in range(0, len(body), 100)]):
        assert ends_well(exchange(parts, list(range(len(parts)))), CHAT) is is_right


def test_an_end_without_tokens_is_not_enough_to_judge_a_response():
    body = LONG + chat({}, "stop") + 300 * event(choices=[], usage={"completion_tokens": 10}) + DONE
    with scripted(whole(body.encode()), keep=True) as server:
        result = measured(server.url)

    assert ends_well(exchange([body.encode()], [1]), CHAT) is None
    assert errors(result) == {None: 2}


def test_the_end_of_a_huge_event_is_not_enough_to_judge_a_response():
    assert ends_well(exchange([b"data: " + SMALL_BYTES * b"a"], [1]), CHAT) is None
