"""What a captured response says, with the moment of each chunk with text."""

import json

import pytest

from bench.wire.answers import answer
from bench.wire.pcap import Exchange

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
DONE = b"data: [DONE]\n\n"


def answered(*packets, begin=1):
    """The answer of a response whose packets came at moments 1, 2, ..."""
    exchange = Exchange(sent_ns=0, request=b"ask")
    for moment, packet in enumerate(packets, begin):
        exchange.add(moment, packet)
    return answer(exchange)


def event(**choice):
    return b"data: %b\n\n" % json.dumps({"choices": [choice]}).encode()


def chunk(data):
    return b"%x\r\n%b\r\n" % (len(data), data)


@pytest.mark.parametrize(
    "choice",
    [
        {"delta": {"content": "a"}},
        {"delta": {"content": "", "reasoning_content": "a"}},
        {"delta": {"reasoning": "a"}},
        {"text": "a"},
    ],
)
def test_a_chunk_with_text_has_the_moment_of_its_packet(choice):
    found = answered(CHUNKED, chunk(event(**choice)), chunk(event(**choice)), chunk(DONE))

    assert found.text_ns == (2, 3)


@pytest.mark.parametrize(
    "choice", [{"delta": {"role": "assistant", "content": ""}}, {"delta": {}}, {"text": ""}, {"delta": None}]
)
def test_a_chunk_without_text_has_no_moment(choice):
    assert answered(CHUNKED, chunk(event(**choice)), chunk(DONE)).text_ns == ()


def test_an_event_in_several_packets_has_the_moment_of_the_last():
    whole = chunk(event(delta={"content": "a"}))

    assert answered(CHUNKED, whole[:9], whole[9:-3], whole[-3:], chunk(DONE)).text_ns == (4,)


def test_an_event_in_several_chunks_of_http_has_the_moment_of_the_last():
    whole = event(delta={"content": "a"})

    assert answered(CHUNKED, chunk(whole[:9]), chunk(whole[9:]), chunk(DONE)).text_ns == (3,)


def test_events_in_one_packet_have_its_moment():
    both = chunk(event(text="a")) + chunk(event(text="b"))

    assert answered(CHUNKED + both, chunk(DONE)).text_ns == (1, 1)


def test_a_body_of_no_chunks_and_other_line_ends_is_read():
    data = event(text="a").replace(b"\n", b"\r\n")

    assert answered(HEAD + b"\r\n", data, data).text_ns == (2, 3)


def test_usage_and_finish_reason_are_the_servers():
    usage = b'data: {"choices": [], "usage": {"completion_tokens": 7}}\n\n'

    found = answered(CHUNKED, chunk(event(text="", finish_reason="stop")), chunk(usage), chunk(DONE))

    assert (found.output_tokens, found.finish_reason) == (7, "stop")


def test_an_answer_without_usage_has_none():
    found = answered(CHUNKED, chunk(event(text="a")), chunk(b'data: {"usage": null}\n\n'))

    assert (found.output_tokens, found.finish_reason) == (None, None)
