"""Successful requests, against real servers."""

import gc

import pytest

from llm_measure.client.level import measure_level
from llm_measure.endpoints import Endpoint
from llm_measure.mock_server.behaviour import Behaviour
from llm_measure.mock_server.process import running_mock_server
from llm_measure.workloads import Load, Workload
from tests.llm_measure.client.measured import CHUNKED, STREAM, TOKENS, errors, measured
from tests.llm_measure.scripted import chunked, head, scripted, whole
from tests.llm_measure.streams import DONE, STREAMS, chat


@pytest.fixture(scope="module")
def server():
    with running_mock_server(Behaviour(ttft=0.01, itl=0.001)) as url:
        yield url


def test_a_response_has_all_its_moments_in_their_order(server):
    for record in measured(server).records:
        moments = (record.intended_ns, record.sent_ns, record.first_byte_ns, record.first_token_ns,
                   record.last_token_ns, record.end_ns)  # fmt: skip
        assert list(moments) == sorted(moments)
        assert record.sent_ns + record.chunk_offsets_ns[0] == record.first_token_ns
        assert (record.status, record.output_tokens, record.token_source) == (200, TOKENS, "usage")
        assert (record.prompt_tokens, record.finish_reason) == (128, "length")


@pytest.mark.moments
def test_times_are_those_of_the_server():
    with running_mock_server(Behaviour(ttft=0.1, itl=0.02)) as url:
        records = measured(url, requests=5).records

    # A busy machine may hold up most of the requests.
    assert 0.1 <= min((record.first_token_ns - record.sent_ns) / 1e9 for record in records) < 0.15
    spans = [(record.last_token_ns - record.first_token_ns) / 1e9 for record in records]
    assert min(abs(span - 0.08) for span in spans) < 0.02


def test_what_a_host_has_frozen_stays_out_of_garbage_collections(server):
    gc.freeze()
    frozen = gc.get_freeze_count()
    measured(server)

    assert gc.isenabled()
    assert gc.get_freeze_count() > frozen / 2


def slowly(pieces: list[bytes]) -> list[bytes | float]:
    """The pieces with pauses, so that each is read separately."""
    return [step for piece in pieces for step in (0.02, piece)]


WIDE = STREAMS["characters of several bytes"].body
WITHIN_CHARACTER, WITHIN_DATA = WIDE.index("😀".encode()) + 2, WIDE.index(b"data:", 10) + 3


@pytest.mark.parametrize(
    "steps",
    [
        [CHUNKED, *chunked(STREAM)],
        [whole(STREAM)],
        [head(), STREAM],
        [b"HTTP/1.1 100 Continue\r\n\r\n", whole(STREAM)],
        [CHUNKED, *chunked(STREAM.replace(b"\n", b"\r\n"))],
        [CHUNKED, *chunked(*(WIDE[at : at + 1] for at in range(len(WIDE))))],
        [CHUNKED, *slowly(chunked(WIDE[:WITHIN_CHARACTER], WIDE[WITHIN_CHARACTER:]))],
        [CHUNKED, *slowly(chunked(WIDE[:WITHIN_DATA], WIDE[WITHIN_DATA:]))],
        [CHUNKED, chunked(STREAM)[0][:30], 0.02, chunked(STREAM)[0][30:], b"0\r\n", 0.02, b"\r\n"],
    ],
    ids=["chunked", "with a length", "ended by the connection", "100 Continue", "CRLF", "a byte a chunk",
         "cut in a character", "cut in data:", "cut in a chunk and in the end"],
)  # fmt: skip
def test_a_response_may_arrive_in_any_pieces(steps):
    with scripted(*steps) as server:
        result = measured(server.url)

    assert errors(result) == {None: 2}
    assert {len(record.chunk_offsets_ns) for record in result.records} == {2}


def test_done_alone_ends_a_response():
    with scripted(whole((chat({"content": "a"}) + DONE).encode())) as server:
        assert errors(measured(server.url)) == {None: 2}


def test_a_connection_is_used_again_unless_the_server_closes_it():
    with scripted(whole(STREAM), keep=True) as keeping:
        assert errors(measured(keeping.url, requests=5)) == {None: 5}
        assert keeping.connections == 1
    with scripted(whole(STREAM, "200 OK", "text/event-stream", "connection: close")) as closing:
        assert errors(measured(closing.url, requests=5)) == {None: 5}
        assert closing.connections == 5


def test_each_request_asks_what_the_workload_says_and_no_prompt_twice():
    with scripted(whole(STREAM), keep=True) as server:
        endpoint = Endpoint(f"{server.url}/", "the model", api_key="secret")
        workload = Workload(output_tokens=7, extra_body={"ignore_eos": True, "stream_options": None})
        measure_level(endpoint, workload, Load(concurrency=2, requests=6))

    assert len(set(server.requests)) == 6
    for request in server.requests:
        assert request.startswith(b"POST /v1/chat/completions HTTP/1.1\r\n")
        assert b"Authorization: Bearer secret\r\n" in request
        for part in (b'"max_tokens": 7', b'"ignore_eos": true', b'"model": "the model"', b'"stream": true'):
            assert part in request
        assert b"stream_options" not in request
