"""Azure OpenAI, by its public documentation."""

import json

import pytest

from llm_measure import Endpoint, Load, Workload, apis, measure
from llm_measure.client.asked import Asked
from llm_measure.client.response import parse_response
from tests.llm_measure.scripted import scripted, whole
from tests.llm_measure.streams import DONE, chat, event, exchange, record, usage

API = apis.named("azure")
SAFE = {"hate": {"filtered": False, "severity": "safe"}}
NOBODY = {"id": "", "object": "", "created": 0, "model": ""}

PROMPT = event(**NOBODY, choices=[], usage=None,
               prompt_filter_results=[{"prompt_index": 0, "content_filter_results": SAFE}])  # fmt: skip


def annotation(finish_reason: str | None = None, end: int = 198, **results: object) -> str:
    """What the asynchronous filter found in text that was sent before; it has no delta."""
    offsets = {"check_offset": 44, "start_offset": 44, "end_offset": end}
    choice = {"index": 0, "finish_reason": finish_reason, "content_filter_offsets": offsets,
              "content_filter_results": results or SAFE}  # fmt: skip
    return event(**NOBODY, choices=[choice], usage=None)


def text(content: str) -> str:
    choice = {"index": 0, "delta": {"content": content}, "finish_reason": None}
    return event(choices=[choice | {"content_filter_results": SAFE}], model="gpt-4o-2024-08-06", usage=None)


ROLE = chat({"role": "assistant", "content": ""}, model="gpt-4o-2024-08-06")
FAILING = {"error": {"code": "content_filter_error", "message": "The contents are not filtered"}}
COUNTED = event(choices=[], model="gpt-4o-2024-08-06", usage=usage(9, 3))
# Text, moments of chunks with tokens (counted among the events), finish reason.
STREAMS = {
    "the default filter": (
        PROMPT + ROLE + text("Color is") + text(" light") + chat({}, "stop") + COUNTED + DONE,
        (3, 4), "stop",
    ),
    "the asynchronous filter": (
        PROMPT + ROLE + chat({"content": "Color"}) + chat({"content": " is"}) + annotation()
        + chat({"content": " light"}) + chat({}, "stop") + annotation(end=571) + COUNTED + DONE,
        (3, 4, 6), "stop",
    ),
    "text blocked by the asynchronous filter": (
        PROMPT + ROLE + chat({"content": "Hey"}) + chat({"content": " Jude"}) + annotation(end=1056)
        + annotation("content_filter", protected_material_text={"detected": True, "filtered": True})
        + COUNTED + DONE,
        (3, 4), "content_filter",
    ),
    "a filter that failed": (
        PROMPT + ROLE + text("a") + annotation(**FAILING) + chat({}, "length") + COUNTED + DONE,
        (3,), "length",
    ),
    "text blocked before it was sent": (
        PROMPT + ROLE + annotation("content_filter") + DONE, (), "content_filter",
    ),
}  # fmt: skip


def parsed(parts: list[bytes], model: str = "gpt-4o"):
    filled = record()
    parse_response(exchange(parts, list(range(1, len(parts) + 1))), filled, API, Asked(model))
    return filled


def read(text: str):
    """The record of a response whose events arrived one by one."""
    return parsed([f"{each}\n\n".encode() for each in text.split("\n\n") if each])


@pytest.mark.parametrize("name", STREAMS)
def test_filter_results_are_no_output(name):
    text, moments, finish_reason = STREAMS[name]
    found = read(text)

    assert (found.error, found.finish_reason) == (None, finish_reason)
    assert tuple(found.chunk_offsets_ns) == moments
    assert (found.output_tokens, found.prompt_tokens) == ((3, 9) if moments else (None, None))
    assert found.answered_by is None


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_may_be_cut_anywhere(name):
    text, moments, finish_reason = STREAMS[name]
    body = text.encode()

    for cut in range(1, len(body)):
        found = parsed([body[:cut], body[cut:]])

        assert (found.error, found.finish_reason) == (None, finish_reason)
        assert len(found.chunk_offsets_ns) == len(moments)


FOUND = {"hate": {"filtered": True, "severity": "high"}, "jailbreak": {"filtered": True, "detected": True},
         "violence": {"filtered": False, "severity": "safe"}}  # fmt: skip
INNER = {"code": "ResponsibleAIPolicyViolation", "content_filter_result": FOUND}
BLOCKED = {"message": "The prompt was filtered.", "type": None, "param": "prompt", "code": "content_filter",
           "status": 400, "innererror": INNER}  # fmt: skip
LIMITED = {"code": "429", "message": "Please retry after 2 seconds."}


@pytest.mark.parametrize(
    ("error", "error_class", "detail"),
    [
        (LIMITED, "rate_limited", "Please retry after 2 seconds."),
        (BLOCKED, "http_4xx", "The prompt was filtered."),
        ({"code": "InternalServerError", "message": "no"}, "http_5xx", "no"),
    ],
)
def test_an_error_within_a_stream_has_the_class_of_its_code(error, error_class, detail):
    found = read(PROMPT + ROLE + text("a") + event(error=error))

    assert (found.error, found.error_detail) == (error_class, f"within the stream: {detail}")


@pytest.mark.parametrize(
    ("status", "body", "error_class", "detail"),
    [
        ("400 No", {"error": BLOCKED}, "http_4xx",
         "400: ResponsibleAIPolicyViolation (hate, jailbreak): The prompt was filtered."),
        ("400 No", {"error": {"message": "no", "inner_error": {"code": "ResponsibleAIPolicyViolation",
                                                               "content_filter_results": SAFE}}}, "http_4xx",
         "400: ResponsibleAIPolicyViolation: no"),
        ("400 No", {"error": {"message": "no", "innererror": {"code": 5, "content_filter_result": 7}}},
         "http_4xx", "400: 5: no"),
        ("400 No", {"error": {"code": "OperationNotSupported", "message": "no", "innererror": "odd"}},
         "http_4xx", "400: no"),
        ("401 No", {"error": {"code": "401", "message": "Access denied"}}, "http_4xx", "401: Access denied"),
        # As Azure's API Management answers.
        ("401 No", {"statusCode": 401, "message": "Unauthorized"}, "http_4xx", "401: Unauthorized"),
        ("429 No", {"error": LIMITED}, "rate_limited", "429: Please retry after 2 seconds."),
        ("404 No", {"error": {"code": "DeploymentNotFound", "message": "No such deployment"}}, "http_4xx",
         "404: No such deployment; asked URL/openai/deployments/d/chat/completions?api-version=2024-10-21"),
    ],
)  # fmt: skip
def test_a_refusal_shows_what_its_body_says(status, body, error_class, detail):
    with scripted(whole(json.dumps(body).encode(), status, "application/json")) as server:
        root = server.url.removesuffix("/v1")
        result = measure(
            Endpoint(root, "d", "azure"), Workload(), Load(concurrency=1, requests=1), probe=False
        )

    found = [(record.error, record.error_detail) for record in result.records]
    assert found == [(error_class, detail.replace("URL", root))]


def test_the_request_has_the_deployment_the_version_and_the_key():
    with scripted(whole(STREAMS["the default filter"][0].encode())) as server:
        endpoint = Endpoint(server.url.removesuffix("/v1"), "my gpt/4", "azure", api_key="sesame")
        measure(endpoint, Workload(output_tokens=3), Load(concurrency=1, requests=1), probe=False)

    (request,) = server.requests
    path = b"/openai/deployments/my%20gpt%2F4/chat/completions?api-version=2024-10-21"
    assert request.startswith(b"POST " + path + b" HTTP/1.1\r\n")
    assert b"\r\napi-key: sesame\r\n" in request
    assert b"authorization" not in request.lower()
    assert json.loads(request.partition(b"\r\n\r\n")[2])["max_tokens"] == 3


def test_a_token_of_entra_id_goes_into_another_header():
    with scripted(whole(STREAMS["the default filter"][0].encode())) as server:
        endpoint = Endpoint(server.url, "m", "azure", api_key="sesame", key_header="Authorization")
        measure(endpoint, Workload(), Load(concurrency=1, requests=1), probe=False)

    assert b"\r\nAuthorization: Bearer sesame\r\n" in server.requests[0]
    assert b"api-key" not in server.requests[0]
