"""OpenAI's Responses, by its public documentation and as compatible servers speak them."""

import json

import openai
import pytest

from llm_measure import Endpoint, Load, Workload, apis, measure
from llm_measure.client.asked import Asked
from llm_measure.client.response import parse_response
from tests.llm_measure.scripted import scripted, whole
from tests.llm_measure.streams import DONE, exchange, named, record

API = apis.named("responses")
USER = {"role": "user", "content": "hello"}


def usage(prompt: int, output: int, cached: int = 0, reasoning: int = 0) -> dict:
    return {"input_tokens": prompt, "input_tokens_details": {"cached_tokens": cached},
            "output_tokens": output, "output_tokens_details": {"reasoning_tokens": reasoning},
            "total_tokens": prompt + output}  # fmt: skip


def response(status: str = "in_progress", **fields: object) -> dict:
    common = {"id": "resp_1", "object": "response", "created_at": 1741290958, "model": "gpt-4.1-2025-04-14",
              "error": None, "incomplete_details": None, "output": [], "parallel_tool_calls": True,
              "tool_choice": "auto", "tools": [], "usage": None}  # fmt: skip
    return common | {"status": status} | fields


def added(index: int, kind: str, **fields: object) -> str:
    item = {"id": f"item_{index}", "type": kind, "status": "in_progress", **fields}
    return named("response.output_item.added", output_index=index, item=item)


def done(index: int, **item: object) -> str:
    return named("response.output_item.done", output_index=index, item={"id": f"item_{index}", **item})


def of_part(index: int, kind: str, **fields: object) -> str:
    return named(f"response.{kind}", item_id=f"item_{index}", output_index=index, content_index=0, **fields)


def said(index: int, *texts: str) -> str:
    deltas = (of_part(index, "output_text.delta", delta=each, logprobs=[], obfuscation="x") for each in texts)
    return "".join(deltas)


def ended(status: str, **fields: object) -> str:
    return named(f"response.{status}", response=response(status, **fields))


def message(text: str) -> dict:
    part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    return {"type": "message", "role": "assistant", "status": "completed", "content": [part]}


BEGUN = named("response.created", response=response()) + named("response.in_progress", response=response())
EMPTY = {"type": "output_text", "text": "", "annotations": []}
ANSWERING = (
    BEGUN + added(0, "message", role="assistant", content=[]) + of_part(0, "content_part.added", part=EMPTY)
)
HI = message("Hi there!")
CALL = {"type": "function_call", "call_id": "call_1", "name": "get_weather", "arguments": '{"city":"Rome"}'}

# Text, moments of chunks with tokens (counted among the events), tokens of each, finish reason, prompt.
STREAMS = {
    "text": (
        ANSWERING + said(0, "Hi", " there", "!") + of_part(0, "output_text.done", text="Hi there!")
        + of_part(0, "content_part.done", part={**EMPTY, "text": "Hi there!"}) + done(0, **HI)
        + ended("completed", output=[{"id": "item_0", **HI}], usage=usage(37, 4, cached=32)),
        (5, 6, 7), [1, 1, 1], 4, "stop", 37,
    ),
    "raw reasoning, cut off": (
        BEGUN + added(0, "reasoning", summary=[], content=[])
        + of_part(0, "content_part.added", part={"type": "reasoning_text", "text": ""})
        + of_part(0, "reasoning_text.delta", delta="Two") + of_part(0, "reasoning_text.delta", delta=" twos")
        + of_part(0, "reasoning_text.done", text="Two twos") + done(0, type="reasoning", summary=[])
        + added(1, "message", role="assistant", content=[]) + of_part(1, "content_part.added", part=EMPTY)
        + said(1, "4") + ended("incomplete", incomplete_details={"reason": "max_output_tokens"},
                               usage=usage(9, 3, reasoning=2)),
        (5, 6, 11), [1, 1, 1], 3, "length", 9,
    ),
    "a call of a function": (
        BEGUN + added(0, "function_call", call_id="call_1", name="get_weather", arguments="")
        + of_part(0, "function_call_arguments.delta", delta='{"city":')
        + of_part(0, "function_call_arguments.delta", delta='"Rome"}')
        + of_part(0, "function_call_arguments.done", arguments=CALL["arguments"], name="get_weather")
        + done(0, **CALL, status="completed")
        + ended("completed", output=[{"id": "item_0", **CALL, "status": "completed"}], usage=usage(70, 3)),
        (3, 4, 5), [1, 1, 1], 3, "tool_calls", 70,
    ),
    "a refusal": (
        BEGUN + added(0, "message", role="assistant", content=[])
        + of_part(0, "content_part.added", part={"type": "refusal", "refusal": ""})
        + of_part(0, "refusal.delta", delta="I can't") + of_part(0, "refusal.delta", delta=" help.")
        + of_part(0, "refusal.done", refusal="I can't help.") + ended("completed", usage=usage(12, 2)),
        (5, 6), [1, 1], 2, "stop", 12,
    ),
}  # fmt: skip
# As LiteLLM's proxy ends them, and without the names of events.
STREAMS |= {
    "text, and [DONE]": (STREAMS["text"][0] + DONE, *STREAMS["text"][1:]),
    "text without names of events": (
        "\n".join(line for line in STREAMS["text"][0].split("\n") if not line.startswith("event: ")),
        *STREAMS["text"][1:],
    ),
}


def parsed(parts: list[bytes], model: str = "gpt-4.1"):
    filled = record()
    parse_response(exchange(parts, list(range(1, len(parts) + 1))), filled, API, Asked(model))
    return filled


def read(text: str, model: str = "gpt-4.1"):
    """The record of a response whose events arrived one by one."""
    return parsed([f"{each}\n\n".encode() for each in text.split("\n\n") if each], model)


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_has_its_tokens_at_the_events_that_brought_them(name):
    text, moments, tokens, total, finish_reason, prompt = STREAMS[name]
    found = read(text)

    assert (found.error, found.finish_reason, found.token_source) == (None, finish_reason, "usage")
    assert (tuple(found.chunk_offsets_ns), found.chunk_tokens) == (moments, tokens)
    assert (found.prompt_tokens, found.output_tokens) == (prompt, total)


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_may_be_cut_anywhere(name):
    text, moments, tokens, total, finish_reason, _ = STREAMS[name]
    body = text.encode()

    for cut in range(1, len(body)):
        found = parsed([body[:cut], body[cut:]])

        assert (found.error, found.finish_reason) == (None, finish_reason)
        assert (len(found.chunk_offsets_ns), found.chunk_tokens) == (len(moments), tokens)
        assert found.output_tokens == total


def test_the_official_client_finds_the_same_in_a_stream():
    text, *_ = STREAMS["a call of a function"]
    with (
        scripted(whole(text.encode())) as server,
        openai.OpenAI(base_url=server.url, api_key="key", max_retries=0) as client,
        client.responses.create(model="m", input="x", stream=True) as events,
    ):
        answer = list(events)[-1].response

    (call,) = answer.output
    assert (call.name, call.arguments) == ("get_weather", '{"city":"Rome"}')
    found = read(text)
    assert (found.prompt_tokens, found.output_tokens) == (
        answer.usage.input_tokens,
        answer.usage.output_tokens,
    )


def test_cached_tokens_and_reasoning_are_parts_of_the_totals():
    assert read(STREAMS["text"][0]).cached_tokens == 32

    found = read(STREAMS["raw reasoning, cut off"][0])
    assert (found.output_tokens, found.reasoning_tokens) == (3, 2)
    assert (found.first_token_ns, found.first_answer_ns) == (5, 11)


@pytest.mark.parametrize(
    "kind", ["reasoning_text", "reasoning_summary_text", "reasoning", "reasoning_summary"]
)
def test_reasoning_comes_as_its_text_or_as_a_summary(kind):
    found = read(BEGUN + of_part(0, f"{kind}.delta", delta="hm") + said(1, "4") + ended("completed"))

    assert (found.first_token_ns, found.first_answer_ns, found.reasoning_tokens) == (3, 4, 1)


def test_reasoning_that_is_not_shown_is_hidden():
    found = read(
        BEGUN + added(0, "reasoning", summary=[], encrypted_content="gAAA")
        + done(0, type="reasoning", summary=[]) + said(1, "4")
        + ended("completed", usage=usage(9, 502, reasoning=500))
    )  # fmt: skip

    assert (found.output_tokens, found.reasoning_tokens, found.chunk_tokens) == (502, 500, [1])


@pytest.mark.parametrize(
    ("event", "finish_reason"),
    [
        (ended("completed"), "stop"),
        (ended("completed", output=[{"type": "reasoning"}, CALL]), "tool_calls"),
        (ended("completed", output=[{"type": "custom_tool_call"}]), "tool_calls"),
        (ended("completed", output=[{"type": "web_search_call"}, message("a")]), "stop"),
        (ended("incomplete", incomplete_details={"reason": "max_output_tokens"}), "length"),
        (ended("incomplete", incomplete_details={"reason": "content_filter"}), "content_filter"),
        (ended("incomplete", incomplete_details={"reason": "steered"}), "steered"),
        (ended("incomplete"), "incomplete"),
        # As vLLM ends a response that its maximum cut off.
        (
            named("response.completed", response=response(
                "incomplete", incomplete_details={"reason": "max_output_tokens"})),
            "length",
        ),
        (named("response.completed", response={}), "stop"),
    ],
)  # fmt: skip
def test_reasons_are_the_words_of_reports(event, finish_reason):
    found = read(BEGUN + said(0, "a") + event)

    assert (found.finish_reason, found.error) == (finish_reason, None)


FAILED = {"code": "rate_limit_exceeded", "message": "slow"}
OVERLOADED = {"type": "service_unavailable_error", "code": "server_error", "message": "busy", "param": None}


@pytest.mark.parametrize("line", ["event: error\n", ""], ids=["named", "unnamed"])
@pytest.mark.parametrize(
    ("event", "error", "message"),
    [
        ({"type": "error", "code": "server_error", "message": "no", "param": None}, "http_5xx", "no"),
        ({"type": "error", "code": None, "message": "no", "param": None}, "http_5xx", "no"),
        ({"type": "error", "code": "rate_limit_exceeded", "message": "slow"}, "rate_limited", "slow"),
        ({"type": "error", "error": OVERLOADED, "sequence_number": 2}, "http_5xx", "busy"),
        ({"type": "response.failed", "response": response("failed", error=FAILED)}, "rate_limited", "slow"),
    ],
)  # fmt: skip
def test_an_error_within_a_stream_has_the_class_of_its_code(line, event, error, message):
    if line and event["type"] != "error":
        line = f"event: {event['type']}\n"
    found = read(f"{BEGUN}{said(0, 'a', 'b')}{line}data: {json.dumps(event)}\n\n")

    assert (found.error, found.error_detail) == (error, f"within the stream: {message}")
    assert (found.output_tokens, found.token_source) == (2, "chunks")


@pytest.mark.parametrize(
    ("event", "error", "detail"),
    [
        (named("response.failed"), "http_5xx", "within the stream: the response failed without an error"),
        (named("response.failed", response={"error": {"code": "invalid_prompt", "message": "no"}}),
         "http_4xx", "within the stream: no"),
        (named("response.cancelled", response=response("cancelled")), "truncated",
         "finish_reason=abort: the server gave the response up"),
        ("", "truncated", "the stream broke off after 3 events"),
    ],
)  # fmt: skip
def test_a_response_that_did_not_end_well_is_a_failure(event, error, detail):
    found = read(BEGUN + said(0, "a") + event)

    assert (found.error, found.error_detail) == (error, detail)


def test_the_model_that_answers_is_the_one_of_the_response():
    text, *_ = STREAMS["text"]

    assert read(text, "gpt-4.1").answered_by is None
    assert read(text, "gpt-5").answered_by == "gpt-4.1-2025-04-14"


def test_a_refusal_shows_the_message_of_its_body():
    body = json.dumps({"error": {"message": "no such model", "type": "invalid_request_error"}}).encode()
    with scripted(whole(body, "400 No", "application/json")) as server:
        result = measure(
            Endpoint(server.url, "m", "responses"), Workload(), Load(concurrency=1, requests=1), probe=False
        )

    found = [(record.error, record.error_detail) for record in result.records]
    assert found == [("http_4xx", "400: no such model")]


def test_the_request_has_the_path_the_key_and_nothing_that_was_not_asked():
    with scripted(whole(STREAMS["text"][0].encode())) as server:
        endpoint = Endpoint(server.url, "gpt-4.1", "responses", api_key="sesame")
        result = measure(endpoint, Workload(output_tokens=16), Load(concurrency=1, requests=1), probe=False)

    (request,) = server.requests
    assert request.startswith(b"POST /v1/responses HTTP/1.1\r\n")
    assert b"\r\nAuthorization: Bearer sesame\r\n" in request
    asked = json.loads(request.partition(b"\r\n\r\n")[2])
    assert isinstance(asked.pop("input"), str)
    assert asked == {"model": "gpt-4.1", "max_output_tokens": 16, "stream": True}
    assert [record.error for record in result.records] == [None]


def test_a_maximum_may_be_left_out():
    asked = Endpoint("http://x/v1", "m", "responses", max_tokens_field="none").asked(Workload())

    assert asked.extra_body == {"max_output_tokens": None}


@pytest.mark.parametrize(
    ("messages", "items"),
    [
        ([{"role": "system", "content": "be brief"}, {"role": "developer", "content": "x"}, USER], None),
        (
            [{"role": "user", "content": [
                {"type": "text", "text": "what?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
                {"type": "file", "file": {"file_id": "file-1"}}]}],
            [{"role": "user", "content": [
                {"type": "input_text", "text": "what?"},
                {"type": "input_image", "image_url": "data:image/png;base64,AA==", "detail": "auto"},
                {"type": "input_file", "file_id": "file-1"}]}],
        ),
        (
            [{"role": "assistant", "content": [{"type": "text", "text": "a"},
                                               {"type": "refusal", "refusal": "b"}]}],
            [{"role": "assistant", "content": [{"type": "output_text", "text": "a"},
                                               {"type": "refusal", "refusal": "b"}]}],
        ),
        (
            [USER, {"role": "assistant", "content": None, "tool_calls": [
                {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
             {"role": "tool", "tool_call_id": "call_1", "content": "4"}],
            [USER, {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{}"},
             {"type": "function_call_output", "call_id": "call_1", "output": "4"}],
        ),
    ],
    ids=["roles", "parts", "parts of an answer", "calls"],
)  # fmt: skip
def test_a_conversation_becomes_items(messages, items):
    assert API.body("m", messages, 5)["input"] == (items or messages)


@pytest.mark.parametrize(
    "odd",
    [
        "hello",
        {"content": "x"},
        {"role": "user"},
        {"role": "function", "name": "f", "content": "4"},
        {"role": "tool", "content": "4"},
        {"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]},
        {"role": "user", "content": ["x"]},
        {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
        {"role": "assistant", "tool_calls": [{"id": "c", "type": "custom", "custom": {}}]},
    ],
)
def test_a_message_without_a_counterpart_is_refused_before_it_is_sent(odd):
    with pytest.raises(
        ValueError, match=r"messages\[1\]: no counterpart in the responses API; expected roles"
    ):
        API.body("m", [USER, odd], 5)
