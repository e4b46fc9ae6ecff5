"""Anthropic's Messages, by its public documentation."""

import json

import anthropic
import pytest

from llm_measure import Endpoint, Load, Workload, apis, measure
from llm_measure.client.asked import Asked
from llm_measure.client.response import parse_response
from llm_measure.limits import MAX_TOKENS
from llm_measure.soundness import fault
from tests.llm_measure.scripted import scripted, whole
from tests.llm_measure.streams import (
    STOP,
    STREAMS,
    block,
    block_end,
    delta,
    exchange,
    named,
    record,
    started,
    stopped,
)

API = apis.named("messages")
USER = {"role": "user", "content": "hello"}


def read(text: str, model: str = "claude"):
    """The record of a response whose events arrived one by one."""
    parts = [f"{each}\n\n".encode() for each in text.split("\n\n") if each]
    filled = record()
    parse_response(exchange(parts, list(range(1, len(parts) + 1))), filled, API, Asked(model))
    return filled


def test_a_prompt_becomes_a_message_with_the_required_maximum():
    assert API.body("m", "hello", 5) == {"model": "m", "messages": [USER], "max_tokens": 5, "stream": True}


@pytest.mark.parametrize(
    ("messages", "system"),
    [
        ([{"role": "system", "content": "be brief"}, USER], "be brief"),
        ([{"role": "developer", "content": "be brief"}, USER], "be brief"),
        (
            [{"role": "system", "content": "be brief"}, USER,
             {"role": "system", "content": [{"type": "text", "text": "be kind"}]}],
            [{"type": "text", "text": "be brief"}, {"type": "text", "text": "be kind"}],
        ),
    ],
)  # fmt: skip
def test_system_messages_become_the_system_prompt(messages, system):
    body = API.body("m", messages, 5)

    assert (body["system"], body["messages"]) == (system, [USER])


@pytest.mark.parametrize(
    "message",
    [{"role": "tool", "content": "4"}, {"role": "assistant", "tool_calls": []}, {"content": "x"}, "hello"],
)
def test_other_messages_are_refused_before_they_are_sent(message):
    with pytest.raises(ValueError, match="the messages API takes no tool calls in OpenAI's shape"):
        API.body("m", [USER, message], 5)


def test_the_request_has_the_path_the_key_and_the_version_that_the_api_requires():
    with scripted(whole(STREAMS["Anthropic's text"].body)) as server:
        endpoint = Endpoint(server.url, "claude", "messages", api_key="sesame")
        result = measure(endpoint, Workload(output_tokens=3), Load(concurrency=1, requests=1), probe=False)

    (request,) = server.requests
    assert request.startswith(b"POST /v1/messages HTTP/1.1\r\n")
    assert b"\r\nanthropic-version: 2023-06-01\r\nx-api-key: sesame\r\n" in request
    assert b"authorization" not in request.lower()
    assert [record.error for record in result.records] == [None]


def test_without_a_key_there_is_no_key_header():
    assert API.headers(None) == {"anthropic-version": "2023-06-01"}


@pytest.mark.parametrize(
    ("name", "blocks"),
    [
        ("Anthropic's text", ["Good day"]),
        ("Anthropic's thinking, cached prompt and padding", ["Two twos", "4"]),
        ("Anthropic's tool use", ["Let me look.", {"city": "San José"}]),
    ],
)
def test_the_official_client_finds_the_same_in_these_streams(name, blocks):
    stream = STREAMS[name]
    with (
        scripted(whole(stream.body)) as server,
        anthropic.Anthropic(base_url=server.url.removesuffix("/v1"), api_key="key", max_retries=0) as client,
        client.messages.stream(model="m", max_tokens=9, messages=[USER]) as events,
    ):
        message = events.get_final_message()

    contents = [block.model_dump() for block in message.content]
    fields = {"text": "text", "thinking": "thinking", "tool_use": "input"}
    assert [content[fields[content["type"]]] for content in contents] == blocks
    used, found = message.usage, read(stream.text)
    assert found.output_tokens == used.output_tokens
    assert found.cached_tokens == used.cache_read_input_tokens
    cached = (used.cache_read_input_tokens or 0) + (used.cache_creation_input_tokens or 0)
    assert found.prompt_tokens == used.input_tokens + cached


def test_thinking_is_part_of_the_output_and_cached_tokens_are_part_of_the_prompt():
    found = read(STREAMS["Anthropic's thinking, cached prompt and padding"].text)

    assert (found.prompt_tokens, found.cached_tokens) == (48, 40)
    assert (found.output_tokens, found.reasoning_tokens) == (3, 2)
    assert (found.first_token_ns, found.first_answer_ns) == (3, 8)


def test_parts_of_a_prompt_whose_sum_is_implausible_are_no_count():
    found = read(
        started(input_tokens=MAX_TOKENS, cache_read_input_tokens=1) + block(0, type="text", text="a")
        + stopped("end_turn", output_tokens=1) + STOP
    )  # fmt: skip

    assert (found.prompt_tokens, found.output_tokens, fault(found)) == (None, 1, None)


def test_thinking_that_is_omitted_is_hidden_reasoning():
    found = read(
        started(input_tokens=3, output_tokens=1) + block(0, type="thinking", thinking="", signature="")
        + delta(0, "signature_delta", signature="Eq") + block_end(0) + block(1, type="text", text="")
        + delta(1, "text_delta", text="4") + block_end(1)
        + stopped("end_turn", output_tokens=501, output_tokens_details={"thinking_tokens": 500}) + STOP
    )  # fmt: skip

    assert (found.output_tokens, found.reasoning_tokens, found.chunk_tokens) == (501, 500, [1])


def test_redacted_thinking_is_reasoning():
    found = read(
        started(input_tokens=3, output_tokens=1) + block(0, type="redacted_thinking", data="EmwKAhgB")
        + block_end(0) + block(1, type="text", text="") + delta(1, "text_delta", text="4")
        + block_end(1) + stopped("end_turn", output_tokens=2) + STOP
    )  # fmt: skip

    assert (found.first_token_ns, found.first_answer_ns) == (2, 5)


@pytest.mark.parametrize(
    ("stop_reason", "finish_reason"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool_calls"),
        ("refusal", "content_filter"),
        ("pause_turn", "pause_turn"),
    ],
)
def test_stop_reasons_are_the_words_of_reports(stop_reason, finish_reason):
    text = started(input_tokens=3, output_tokens=1) + stopped(stop_reason, output_tokens=1) + STOP

    assert (read(text).finish_reason, read(text).error) == (finish_reason, None)


def test_the_model_that_answers_is_the_one_of_the_start():
    text = STREAMS["Anthropic's text"].text

    assert read(text, "claude").answered_by is None
    assert read(text, "opus").answered_by == "claude"


BEGUN = started(input_tokens=3, output_tokens=1) + block(0, type="text", text="") + named("ping")
SAID = BEGUN + delta(0, "text_delta", text="a") + delta(0, "text_delta", text="b")


def error(kind: str, message: str = "no") -> dict:
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}


@pytest.mark.parametrize("name", ["event: error\n", ""], ids=["named", "unnamed"])
@pytest.mark.parametrize(
    ("kind", "error_class"),
    [("overloaded_error", "http_5xx"), ("api_error", "http_5xx"), ("rate_limit_error", "rate_limited"),
     ("invalid_request_error", "http_4xx"), ("a_later_one", "http_5xx")],
)  # fmt: skip
def test_an_error_in_the_middle_of_a_stream_has_the_class_of_its_status(name, kind, error_class):
    found = read(f"{SAID}{name}data: {json.dumps(error(kind))}\n\n")

    assert (found.error, found.error_detail) == (error_class, "within the stream: no")
    # The count at the start of a message is none of its output.
    assert (found.output_tokens, found.token_source) == (2, "chunks")


def test_a_stream_without_its_end_is_truncated():
    assert read(SAID).error == "truncated"


@pytest.mark.parametrize(
    ("kind", "status"),
    [("invalid_request_error", 400), ("authentication_error", 401), ("billing_error", 402),
     ("permission_error", 403), ("not_found_error", 404), ("request_too_large", 413),
     ("rate_limit_error", 429), ("api_error", 500), ("timeout_error", 504), ("overloaded_error", 529)],
)  # fmt: skip
def test_each_type_of_error_amounts_to_its_documented_status(kind, status):
    assert API.stream_error(error(kind)["error"]) == (status, "no")


@pytest.mark.parametrize(
    ("status", "kind", "error_class"),
    [("529 Overloaded", "overloaded_error", "http_5xx"), ("401 No", "authentication_error", "http_4xx"),
     ("429 No", "rate_limit_error", "rate_limited")],
)  # fmt: skip
def test_a_refusal_shows_the_message_of_its_body(status, kind, error_class):
    body = json.dumps(error(kind, "Overloaded")).encode()
    with scripted(whole(body, status, "application/json")) as server:
        result = measure(
            Endpoint(server.url, "m", "messages"), Workload(), Load(concurrency=1, requests=1), probe=False
        )

    found = [(record.error, record.error_detail) for record in result.records]
    assert found == [(error_class, f"{status[:3]}: Overloaded")]
