"""Amazon Bedrock's ConverseStream, by its public documentation."""

import json
import sys

import pytest
from botocore.exceptions import EventStreamError

from llm_measure import Endpoint, Load, Workload, apis, measure
from llm_measure.client.asked import Asked
from llm_measure.client.response import ends_well, parse_response
from llm_measure.limits import MAX_TOKENS
from tests.llm_measure.bedrock_client import client_of
from tests.llm_measure.cli.command import invoke
from tests.llm_measure.event_streams import CONTENT_TYPE, arrived, event, exception
from tests.llm_measure.scripted import scripted, whole
from tests.llm_measure.streams import record

API = apis.named("bedrock")
USER = {"role": "user", "content": [{"text": "hello"}]}
ONE = Load(concurrency=1, requests=1)


def start(index: int, name: str) -> bytes:
    tool = {"toolUseId": "tooluse_1", "name": name}
    return event("contentBlockStart", contentBlockIndex=index, start={"toolUse": tool}, p="abcdef")


def delta(index: int, **content: object) -> bytes:
    return event("contentBlockDelta", contentBlockIndex=index, delta=content, p="abcdefghijk")


def stop(index: int) -> bytes:
    return event("contentBlockStop", contentBlockIndex=index, p="abc")


def end(reason: str, input_tokens: int, output_tokens: int, **usage: int) -> list[bytes]:
    counts = {"inputTokens": input_tokens, "outputTokens": output_tokens,
              "totalTokens": input_tokens + output_tokens + sum(usage.values())}  # fmt: skip
    return [
        event("messageStop", stopReason=reason, p="abcdefg"),
        event("metadata", metrics={"latencyMs": 527}, usage=counts | usage, p="abcdefghijklmn"),
    ]


BEGIN = event("messageStart", role="assistant", p="abcde")
TEXT = [BEGIN, delta(0, text="Good"), delta(0, text=" day"), stop(0), *end("end_turn", 9, 3)]
THINKING = [
    BEGIN, delta(0, reasoningContent={"text": "Two"}), delta(0, reasoningContent={"text": " twos"}),
    delta(0, reasoningContent={"signature": "EqQBCgIYAhIM"}), stop(0), delta(1, text="4"), stop(1),
    *end("max_tokens", 3, 3, cacheReadInputTokens=40, cacheWriteInputTokens=5),
]  # fmt: skip
TOOL_USE = [
    BEGIN, delta(0, text="Let me look."), stop(0), start(1, "get_weather"),
    delta(1, toolUse={"input": ""}), delta(1, toolUse={"input": '{"city": "San'}),
    delta(1, toolUse={"input": ' José"}'}), stop(1), *end("tool_use", 70, 4),
]  # fmt: skip
STREAMS = {"text": TEXT, "thinking": THINKING, "tool use": TOOL_USE}


def read(*parts: bytes):
    """The record of a response whose parts arrived at 1, 2 and so on."""
    filled = record()
    parse_response(arrived(list(parts)), filled, API, Asked())
    return filled


def measured(url: str, **options: object):
    (found,) = measure(
        Endpoint(url, "claude", "bedrock", **options), Workload(output_tokens=3), ONE, probe=False
    ).records
    return found


class TestARequest:
    def test_has_the_prompt_as_a_block_of_text_and_the_maximum(self):
        body = {"messages": [USER], "inferenceConfig": {"maxTokens": 5}}

        assert API.body("m", "hello", 5) == body

    @pytest.mark.parametrize("role", ["system", "developer"])
    def test_has_system_messages_as_the_system_prompt(self, role):
        parts = [{"type": "text", "text": "be kind"}, {"cachePoint": {"type": "default"}}]
        messages = [{"role": role, "content": "be brief"}, {"role": "user", "content": "hello"},
                    {"role": role, "content": parts}]  # fmt: skip
        body = API.body("m", messages, 5)

        assert body["messages"] == [USER]
        assert body["system"] == [
            {"text": "be brief"}, {"text": "be kind"}, {"cachePoint": {"type": "default"}}
        ]  # fmt: skip

    @pytest.mark.parametrize(
        "message",
        [{"role": "tool", "content": "4"}, {"role": "assistant", "content": "", "tool_calls": []},
         {"role": "assistant", "content": None}, {"content": "x"}, "hello",
         {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://x"}}]}],
    )  # fmt: skip
    def test_refuses_what_it_cannot_map(self, message):
        with pytest.raises(ValueError, match="the bedrock API takes no tool calls and images"):
            API.body("m", [{"role": "user", "content": "hello"}, message], 5)

    def test_escapes_the_model_in_its_path_as_botocore_does(self):
        model = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.a.claude-v1:0"

        assert API.path(model) == (
            "model/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Ainference-profile%2Fus.a.claude-v1%3A0"
            "/converse-stream"
        )

    def test_with_an_api_key_has_it_as_bearer_and_no_signature(self):
        with scripted(whole(b"".join(TEXT), kind=CONTENT_TYPE)) as server:
            found = measured(server.url, api_key="ABSKsesame")

        (request,) = server.requests
        assert request.startswith(b"POST /v1/model/claude/converse-stream HTTP/1.1\r\n")
        assert b"\r\nAccept: application/vnd.amazon.eventstream\r\n" in request
        assert b"\r\nAuthorization: Bearer ABSKsesame\r\n" in request
        assert b"x-amz-date" not in request.lower()
        assert (found.error, found.output_tokens, found.finish_reason) == (None, 3, "stop")


class TestAStream:
    @pytest.mark.parametrize("name", STREAMS)
    def test_holds_what_botocore_finds_in_it(self, name):
        parts = STREAMS[name]
        response = whole(b"".join(parts), kind=CONTENT_TYPE)
        with scripted(response) as server, client_of(server.url) as client:
            events = list(client.converse_stream(modelId="m", messages=[USER])["stream"])

        found, usage = read(*parts), events[-1]["metadata"]["usage"]
        assert [next(iter(each)) for each in events] == [
            json.loads(data).popitem()[0] for _, data in API.framing.events(parts)
        ]
        cached = usage.get("cacheReadInputTokens", 0) + usage.get("cacheWriteInputTokens", 0)
        assert found.prompt_tokens == usage["inputTokens"] + cached
        assert (found.output_tokens, found.cached_tokens) == (
            usage["outputTokens"], usage.get("cacheReadInputTokens")
        )  # fmt: skip

    @pytest.mark.parametrize(
        ("name", "moments", "first_answer"),
        [("text", [2, 3], 2), ("thinking", [2, 3, 6], 6), ("tool use", [2, 4, 6, 7], 2)],
    )
    def test_has_tokens_in_texts_reasoning_and_tool_calls(self, name, moments, first_answer):
        found = read(*STREAMS[name])

        assert (found.chunk_offsets_ns, found.first_answer_ns) == (moments, first_answer)
        assert (found.error, found.token_source) == (None, "usage")

    @pytest.mark.parametrize("name", STREAMS)
    def test_may_be_cut_anywhere(self, name):
        body = b"".join(STREAMS[name])
        expected = read(body)

        for cut in range(1, len(body)):
            found = read(body[:cut], body[cut:])
            assert (found.output_tokens, found.finish_reason) == (
                expected.output_tokens, expected.finish_reason
            )  # fmt: skip

    def test_has_redacted_reasoning(self):
        found = read(BEGIN, delta(0, reasoningContent={"redactedContent": "RW13"}), delta(1, text="4"),
                     *end("end_turn", 3, 2))  # fmt: skip

        assert (found.first_token_ns, found.first_answer_ns, found.reasoning_tokens) == (2, 3, 1)

    def test_counts_citations_and_images_as_no_tokens(self):
        found = read(BEGIN, delta(0, citation={"title": "a"}), delta(0, image={"source": {"bytes": "aaaa"}}),
                     delta(1, text="4"), *end("end_turn", 3, 1))  # fmt: skip

        assert (found.chunk_offsets_ns, found.error) == ([4], None)

    @pytest.mark.parametrize(
        ("stop_reason", "finish_reason"),
        [("end_turn", "stop"), ("stop_sequence", "stop"), ("max_tokens", "length"),
         ("model_context_window_exceeded", "length"), ("tool_use", "tool_calls"),
         ("guardrail_intervened", "content_filter"), ("content_filtered", "content_filter"),
         ("malformed_tool_use", "malformed_tool_use")],
    )  # fmt: skip
    def test_has_stop_reasons_in_the_words_of_reports(self, stop_reason, finish_reason):
        found = read(BEGIN, delta(0, text="a"), *end(stop_reason, 3, 1))

        assert (found.finish_reason, found.error) == (finish_reason, None)

    def test_whose_prompt_is_implausible_has_no_count_of_it(self):
        found = read(BEGIN, delta(0, text="a"), *end("end_turn", MAX_TOKENS, 1, cacheReadInputTokens=1))

        assert (found.prompt_tokens, found.output_tokens) == (None, 1)

    def test_without_its_end_is_truncated(self):
        found = read(*TEXT[:3])

        assert (found.error, found.error_detail) == ("truncated", "the stream broke off after 3 events")

    @pytest.mark.parametrize(
        ("last", "is_right"),
        [(TEXT[4:], True), ([], False), ([exception("throttlingException", message="no")], False)],
        ids=["ends well", "breaks off", "fails"],
    )
    def test_that_is_large_is_judged_by_its_end(self, last, is_right):
        assert ends_well(arrived([BEGIN, *[delta(0, text="a")] * 1000, *last]), API) is is_right

    def test_with_a_corrupt_message_is_malformed(self):
        damaged = TEXT[1][:-1] + bytes([TEXT[1][-1] ^ 1])

        for parts in ([damaged], [BEGIN, damaged, *TEXT[2:]]):
            found = read(*parts)
            assert found.error == "malformed"
            assert found.error_detail.startswith("event: corrupt, wrong checksum of its content")


SAID = [BEGIN, delta(0, text="a"), delta(0, text="b")]


class TestAnError:
    @pytest.mark.parametrize(
        ("name", "error_class"),
        [("throttlingException", "rate_limited"), ("modelStreamErrorException", "http_4xx"),
         ("internalServerException", "http_5xx"), ("validationException", "http_4xx"),
         ("serviceUnavailableException", "http_5xx"), ("aLaterException", "http_5xx")],
    )  # fmt: skip
    def test_in_the_middle_of_a_stream_has_the_class_of_its_status(self, name, error_class):
        found = read(*SAID, exception(name, message="no"))

        assert (found.error, found.error_detail) == (error_class, "within the stream: no")
        assert (found.output_tokens, found.token_source) == (2, "chunks")

    def test_of_the_model_has_the_status_of_the_model(self):
        error = exception("modelStreamErrorException", message="no", originalStatusCode=529)

        assert read(*SAID, error).error == "http_5xx"

    def test_is_the_one_that_botocore_raises(self):
        body = b"".join([*SAID, exception("throttlingException", message="Slow down.")])
        with (
            scripted(whole(body, kind=CONTENT_TYPE)) as server,
            client_of(server.url) as client,
            pytest.raises(EventStreamError, match=r"throttlingException.*Slow down\."),
        ):
            list(client.converse_stream(modelId="m", messages=[USER])["stream"])

    @pytest.mark.parametrize(
        ("name", "status"),
        [("ValidationException", 400), ("AccessDeniedException", 403), ("ResourceNotFoundException", 404),
         ("ModelTimeoutException", 408), ("ModelErrorException", 424), ("ThrottlingException", 429),
         ("ModelNotReadyException", 429), ("InternalServerException", 500),
         ("ServiceUnavailableException", 503), ("com.amazon.coral.service#ThrottlingException", 429),
         ("ThrottlingException:http://internal.amazon.com/coral/com.amazon.bedrock/", 429)],
    )  # fmt: skip
    def test_amounts_to_the_documented_status_by_its_name(self, name, status):
        assert API.stream_error({"__type": name, "message": "no"}) == (status, "no")
        assert API.stream_error({name: {"message": "no"}}) == (status, "no")

    @pytest.mark.parametrize(
        ("status", "body", "error_class", "detail"),
        [
            ("429 No", {"message": "Too many tokens."}, "rate_limited", "429: Too many tokens."),
            ("403 No", {"Message": "Not authorized."}, "http_4xx", "403: Not authorized."),
            ("503 No", {"error": {"message": "A proxy's."}}, "http_5xx", "503: A proxy's."),
            ("500 No", {"message": None}, "http_5xx", """500: '{"message": null}'"""),
            ("200 OK", {"message": "No."}, "http_5xx", "instead of a stream: No."),
            ("200 OK", {"Output": {"__type": "com.amazon.coral.service#UnknownOperationException"}},
             "malformed", "expected an event stream, got application/json: "
             """'{"Output": {"__type": "com.amazon.coral.service#UnknownOperationException"}}'"""),
        ],
    )  # fmt: skip
    def test_instead_of_a_stream_shows_its_message(self, status, body, error_class, detail):
        kind = ("application/json", "x-amzn-errortype: ThrottlingException")
        with scripted(whole(json.dumps(body).encode(), status, *kind)) as server:
            found = measured(server.url, api_key="key")

        assert (found.error, found.error_detail) == (error_class, detail)


def test_without_botocore_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "botocore", None)
    asked = ["--base-url", "http://x", "--model", "m", "--api", "bedrock"]
    done = invoke("run", *asked)

    message = "api='bedrock': needs botocore; expected pip install '.[bedrock]' in a clone"
    assert (done.exit_code, done.stderr) == (2, f"Error: {message}\n")
