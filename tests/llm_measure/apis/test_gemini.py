"""Google's Gemini, by its public documentation."""

import json

import pytest
from google import genai
from google.genai.types import GenerateContentResponse, HttpOptions, Part

from llm_measure import Endpoint, Load, Workload, apis, measure
from llm_measure.client.asked import Asked
from llm_measure.client.response import ends_well, parse_response
from llm_measure.limits import MAX_TOKENS
from llm_measure.records import Record
from llm_measure.soundness import fault
from tests.llm_measure.scripted import Step, chunked, head, scripted, whole
from tests.llm_measure.streams import STREAMS, event, exchange, generated, record

API = apis.named("gemini")
HELLO = {"role": "user", "parts": [{"text": "hello"}]}
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBO"}}
A, B = generated({"text": "a"}, candidates=1), generated({"text": "b"}, candidates=2)
ENDED = generated({"text": ""}, finish_reason="STOP", candidates=2)


def read(*events: str, model: str = "gemini-3", failure: str | None = None) -> Record:
    """The record of a response whose events arrived one by one."""
    made = exchange([each.encode() for each in events], list(range(1, len(events) + 1)))
    made.failure = failure
    filled = record()
    parse_response(made, filled, API, Asked(model))
    return filled


def measured(*steps: Step, **endpoint: object) -> tuple[Record, bytes]:
    """The record of one request to a server that takes these steps, and the request."""
    with scripted(*steps) as server:
        asked = Endpoint(server.url, **({"model": "m", "api": "gemini"} | endpoint))
        result = measure(asked, Workload(output_tokens=3), Load(concurrency=1, requests=1), probe=False)
    return result.records[0], server.requests[0]


class TestTheRequest:
    def test_has_the_model_in_its_path_and_the_key_in_its_header(self):
        record, request = measured(whole((A + ENDED).encode()), model="gemini-3", api_key="sesame")

        assert record.error is None
        assert request.startswith(b"POST /v1/models/gemini-3:streamGenerateContent?alt=sse HTTP/1.1\r\n")
        assert b"\r\nx-goog-api-key: sesame\r\n" in request
        assert b"authorization" not in request.lower()

    def test_to_vertex_ai_has_an_access_token_and_the_same_path_below_its_base_url(self):
        with scripted(whole((A + ENDED).encode())) as server:
            base = f"{server.url}/projects/p/locations/global/publishers/google"
            endpoint = Endpoint(base, "gemini-3", "gemini", api_key="token", key_scheme="Bearer")
            measure(endpoint, Workload(output_tokens=3), Load(concurrency=1, requests=1), probe=False)

        (request,) = server.requests
        path = (
            b"/v1/projects/p/locations/global/publishers/google/models/gemini-3:streamGenerateContent?alt=sse"
        )
        assert request.startswith(b"POST " + path)
        assert b"\r\nAuthorization: Bearer token\r\n" in request
        assert b"x-goog-api-key" not in request

    @pytest.mark.parametrize(
        ("model", "path"),
        [("tunedModels/mine", "tunedModels/mine"), ("models/gemini-3", "models/gemini-3"),
         ("endpoints/12", "endpoints/12"), ("a b/c", "models/a%20b/c")],
    )  # fmt: skip
    def test_takes_a_model_that_says_where_it_is(self, model, path):
        assert API.path(model) == f"{path}:streamGenerateContent?alt=sse"

    def test_without_a_key_has_no_key_header(self):
        assert API.headers(None) == {}


class TestTheBody:
    def test_has_a_prompt_as_contents_and_the_maximum_in_its_config(self):
        assert API.body("m", "hello", 5) == {"contents": [HELLO], "generationConfig": {"maxOutputTokens": 5}}

    def test_has_messages_by_their_roles_and_system_messages_as_the_instruction(self):
        body = API.body(
            "m",
            [
                {"role": "system", "content": "be brief"},
                {"role": "user", "content": "hello"},
                {"role": "assistant", "content": "hi"},
                {"role": "developer", "content": [{"type": "text", "text": "be kind"}]},
                {"role": "user", "content": [{"type": "text", "text": "what is this?"}, IMAGE]},
            ],
            5,
        )

        assert body["systemInstruction"] == {"parts": [{"text": "be brief"}, {"text": "be kind"}]}
        image = {"inlineData": {"mimeType": "image/png", "data": "iVBO"}}
        assert body["contents"] == [
            HELLO,
            {"role": "model", "parts": [{"text": "hi"}]},
            {"role": "user", "parts": [{"text": "what is this?"}, image]},
        ]

    @pytest.mark.parametrize(
        ("message", "word"),
        [
            ({"role": "tool", "content": "4"}, "takes no tool calls in OpenAI's shape"),
            ({"role": "assistant", "tool_calls": []}, "takes no tool calls in OpenAI's shape"),
            ("hello", "expected messages of system, user and assistant"),
            ({"role": "user"}, "expected a content"),
            ({"role": "user", "content": [{"type": "input_audio"}]}, "another part of type 'input_audio'"),
            (
                {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x/y.png"}}]},
                "texts and images as data URLs; got another part of type 'image_url'",
            ),
        ],
    )
    def test_refuses_what_it_cannot_say(self, message, word):
        with pytest.raises(ValueError, match=word):
            API.body("m", [message], 5)

    def test_lacks_the_maximum_if_none_is_asked_for(self):
        with scripted(whole((A + ENDED).encode())) as server:
            endpoint = Endpoint(server.url, "m", "gemini", max_tokens_field="none")
            result = measure(
                endpoint, Workload(output_tokens=3), Load(concurrency=1, requests=1), probe=False
            )

        body = json.loads(server.requests[0].partition(b"\r\n\r\n")[2])
        assert body["generationConfig"] == {}
        assert [record.error for record in result.records] == [None]


OF_GEMINI = {name: stream for name, stream in STREAMS.items() if stream.api == "gemini"}


def said(response: GenerateContentResponse) -> list[Part]:
    return [part for candidate in response.candidates for part in candidate.content.parts or ()]


@pytest.mark.parametrize("name", OF_GEMINI)
def test_the_official_client_finds_the_same_in_these_streams(name):
    stream = OF_GEMINI[name]
    with (
        scripted(whole(stream.body)) as server,
        genai.Client(
            api_key="key", http_options=HttpOptions(base_url=server.url.removesuffix("/v1"))
        ) as client,
    ):
        chunks = list(client.models.generate_content_stream(model="m", contents="hello"))

    found = read(*(f"{each}\n\n" for each in stream.text.split("\n\n") if each))
    thoughts = [
        bool(part.thought) for chunk in chunks for part in said(chunk) if part.text or part.function_call
    ]
    assert len(found.chunk_tokens) == len(thoughts)
    assert (found.first_answer_ns - found.first_token_ns) == thoughts.index(False)
    used = chunks[-1].usage_metadata
    assert found.output_tokens == used.candidates_token_count + (used.thoughts_token_count or 0)
    assert (found.prompt_tokens, found.reasoning_tokens) == (
        used.prompt_token_count,
        used.thoughts_token_count,
    )


def test_the_thoughts_are_counted_with_the_candidates_and_cached_tokens_with_the_prompt():
    counts = {
        "prompt": 40,
        "cachedContent": 30,
        "candidates": 2,
        "thoughts": 5,
        "toolUsePrompt": 5,
        "total": 52,
    }
    found = read(generated({"text": "hello"}), generated({"text": "!"}, finish_reason="STOP", **counts))

    assert (found.prompt_tokens, found.cached_tokens) == (40, 30)
    assert (found.output_tokens, found.reasoning_tokens) == (7, 5)


def test_counts_whose_sum_is_implausible_are_no_count():
    found = read(A, generated({"text": "b"}, finish_reason="STOP", candidates=MAX_TOKENS, thoughts=1))

    assert (found.token_source, found.output_tokens, fault(found)) == ("usage", 1, None)


def test_code_and_images_are_output_but_results_of_the_servers_tools_are_none():
    found = read(
        generated({"executableCode": {"language": "PYTHON", "code": "print(1)"}}),
        generated({"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}}),
        generated({"inlineData": {"mimeType": "image/png", "data": "iVBO"}}, finish_reason="STOP"),
    )

    assert (found.error, found.chunk_offsets_ns, found.first_answer_ns) == (None, [1, 3], 1)


def test_a_function_call_may_come_in_parts():
    found = read(
        generated({"functionCall": {"name": "cook", "willContinue": True}}),
        generated({"functionCall": {"partialArgs": [{"jsonPath": "$.a", "stringValue": "b"}]}}),
        generated({"functionCall": {"willContinue": True}}),
        generated({"functionCall": {}}, finish_reason="STOP"),
    )

    assert (found.error, found.chunk_offsets_ns) == (None, [1, 2])


@pytest.mark.parametrize(
    ("reason", "finish_reason", "error"),
    [
        ("STOP", "stop", None),
        ("MAX_TOKENS", "length", None),
        ("SAFETY", "content_filter", None),
        ("RECITATION", "content_filter", None),
        ("BLOCKLIST", "content_filter", None),
        ("PROHIBITED_CONTENT", "content_filter", None),
        ("SPII", "content_filter", None),
        ("OTHER", "OTHER", None),
        ("MALFORMED_FUNCTION_CALL", "error", "truncated"),
        ("UNEXPECTED_TOOL_CALL", "error", "truncated"),
    ],
)
def test_finish_reasons_are_the_words_of_reports(reason, finish_reason, error):
    found = read(A, event(candidates=[{"content": {}, "finishReason": reason}]))

    assert (found.finish_reason, found.error) == (finish_reason, error)


def test_the_model_that_answers_is_the_version():
    assert read(A, ENDED, model="gemini-3").answered_by is None
    assert read(A, ENDED, model="models/gemini-3-preview-09-2026").answered_by is None
    assert read(A, ENDED, model="gemini-pro-latest").answered_by == "gemini-3"


class TestTheEnd:
    @pytest.mark.parametrize("failure", [None, "truncated", "timeout"])
    def test_is_a_finish_reason_whatever_becomes_of_the_body(self, failure):
        for events in ((A, B, ENDED), (A + B[:9], B[9:] + ENDED)):
            found = read(*events, failure=failure)

            assert (found.error, found.finish_reason, found.output_tokens) == (None, "stop", 2)
            assert found.end_ns == len(events)

    @pytest.mark.parametrize("failure", [None, "truncated"])
    def test_is_missing_without_a_finish_reason(self, failure):
        for events in ((A, B), (A[:9], A[9:] + B)):
            assert read(*events, failure=failure).error == "truncated"

    def test_decides_on_a_large_response_by_its_tail(self):
        def verdict(*events: str) -> bool | None:
            parts = [each.encode() for each in events]
            return ends_well(exchange(parts, list(range(len(parts)))), API)

        assert verdict(*[A] * 200, ENDED) is True
        assert verdict(*[A] * 200) is False

    def test_may_come_with_the_connections(self):
        pieces = [head("200 OK", "text/event-stream", "transfer-encoding: chunked"), *chunked(A.encode())]
        ended = chunked(ENDED.encode())[0]

        assert measured(*pieces[:-1], ended)[0].error is None
        assert measured(*pieces[:-1])[0].error == "truncated"

    def test_leaves_the_connection_open_for_the_next_request(self):
        steps = [head("200 OK", "text/event-stream", "transfer-encoding: chunked"),
                 *chunked(A.encode(), ENDED.encode())]  # fmt: skip
        with scripted(*steps, keep=True) as server:
            result = measure(
                Endpoint(server.url, "m", "gemini"), Workload(), Load(concurrency=1, requests=3), probe=False
            )

        assert [record.error for record in result.records] == [None] * 3
        assert server.connections == 1


BLOCKED = event(promptFeedback={"blockReason": "PROHIBITED_CONTENT"}, usageMetadata={"promptTokenCount": 9})


@pytest.mark.parametrize("events", [(BLOCKED,), (A, BLOCKED)])
def test_a_blocked_prompt_is_refused_although_the_status_is_200(events):
    found = read(*events)

    assert (found.error, found.error_detail) == (
        "http_4xx",
        "within the stream: prompt blocked: PROHIBITED_CONTENT",
    )


def error(code: int, status: str, message: str = "no") -> dict:
    return {"error": {"code": code, "message": message, "status": status}}


UNAVAILABLE = error(503, "UNAVAILABLE", "overloaded")


@pytest.mark.parametrize(
    "broken",
    [event(**UNAVAILABLE), json.dumps(UNAVAILABLE, indent=2), json.dumps([UNAVAILABLE]),
     json.dumps(UNAVAILABLE, indent=2).replace("\n", "\r\n") + "\r\n\r\n"],
    ids=["event", "bare", "list", "CRLF"],
)  # fmt: skip
@pytest.mark.parametrize("cut", [None, 30], ids=["plain", "cut"])
def test_an_error_after_tokens_fails_with_its_message_also_if_it_is_no_event(broken, cut):
    body = A + broken
    found = read(body[:cut], body[cut:]) if cut else read(A, broken)

    assert (found.error, found.error_detail) == ("http_5xx", "within the stream: overloaded")
    assert found.output_tokens == 1


@pytest.mark.parametrize("body", [UNAVAILABLE, [UNAVAILABLE]], ids=["alone", "list"])
@pytest.mark.parametrize(
    ("status", "where"), [("503 No", "503"), ("200 OK", "instead of a stream")], ids=["refused", "200"]
)
def test_an_error_body_shows_its_message(body, status, where):
    found, _ = measured(whole(json.dumps(body).encode(), status, "application/json"))

    assert (found.error, found.error_detail) == ("http_5xx", f"{where}: overloaded")


@pytest.mark.parametrize(
    ("error", "status"),
    [
        ({"code": 429, "status": "RESOURCE_EXHAUSTED"}, 429),
        ({"status": "RESOURCE_EXHAUSTED"}, 429),
        ({"code": 8, "status": "RESOURCE_EXHAUSTED"}, 429),
        ({"status": "INVALID_ARGUMENT"}, 400),
        ({"status": "DEADLINE_EXCEEDED"}, 504),
        ({"status": "NEW"}, 500),
        ({}, 500),
    ],
)
def test_an_error_amounts_to_its_code_or_that_of_its_status(error, status):
    assert API.stream_error({"message": "no", **error}) == (status, "no")


def test_a_404_shows_what_was_asked():
    with scripted(whole(json.dumps(error(404, "NOT_FOUND", "unknown model")).encode(), "404 No")) as server:
        base = f"{server.url}beta"
        result = measure(
            Endpoint(base, "m", "gemini"), Workload(), Load(concurrency=1, requests=1), probe=False
        )

    (found,) = result.records
    asked = f"{base}/models/m:streamGenerateContent?alt=sse"
    assert found.error_detail == f"404: unknown model; asked {asked}"
