"""Workloads that expect calls of tools or JSON: how each API is asked, and how answers are counted."""

import json

import pytest

from llm_measure import Endpoint, Load, Workload, apis, measure
from llm_measure.expectations import DESCRIPTION, NAME, SCHEMA
from llm_measure.mock_server.behaviour import Behaviour
from llm_measure.mock_server.process import running_mock_server
from tests.llm_measure.scripted import scripted, whole
from tests.llm_measure.streams import STREAMS


def asked_body(api: str, **workload: object) -> dict:
    """What a request of the workload has in its body, by a server that keeps it."""
    with scripted([whole(STREAMS["no usage"].body)]) as server:
        endpoint = Endpoint(server.url, "m", api, api_key="k")
        measure(endpoint, Workload(**workload), Load(concurrency=1, requests=1), probe=False)
    return json.loads(server.requests[0].partition(b"\r\n\r\n")[2])


@pytest.mark.parametrize("kind", ["tool", "json"])
@pytest.mark.parametrize("api", ["chat", "responses", "messages", "gemini", "bedrock"])
def test_each_api_is_asked_in_its_own_words(api, kind):
    body = asked_body(api, expects=kind, extra_body={"temperature": 0})

    asked = apis.named(api).expecting(kind, NAME, DESCRIPTION, SCHEMA)
    assert asked.items() <= body.items() or api == "gemini"
    assert NAME in json.dumps(body) or (api, kind) in {("messages", "json"), ("gemini", "json")}
    assert all(name in json.dumps(body) for name in SCHEMA["properties"])
    assert body["temperature"] == 0


def test_a_json_answer_and_the_maximum_of_gemini_are_asked_for_together():
    config = asked_body("gemini", expects="json", output_tokens=50)["generationConfig"]
    assert config == {
        "maxOutputTokens": 50,
        "responseMimeType": "application/json",
        "responseJsonSchema": SCHEMA,
    }


def test_an_api_without_tools_is_refused():
    with pytest.raises(ValueError, match="expects=tool: does not apply to the completions API"):
        measure(Endpoint("http://localhost", "m", "completions"), Workload(expects="tool"))


@pytest.mark.parametrize("kind", ["tool", "json"])
@pytest.mark.parametrize("output_tokens", [3, 40, 200])
def test_valid_answers_are_counted_against_known_truth(kind, output_tokens):
    behaviour = Behaviour(ttft=0.001, itl=0, invalid_answers=0.25)
    with running_mock_server(behaviour) as url:
        workload = Workload(expects=kind, output_tokens=output_tokens)
        result = measure(Endpoint(url, "m"), workload, Load(concurrency=1, requests=8), probe=False)

    assert result.metrics["valid_answers"].mean == 0.75
    assert [record.answer_valid for record in result.records].count(False) == 2
    assert {record.error for record in result.records} == {None}
    assert {record.output_tokens for record in result.records} == {output_tokens}


def test_answers_that_are_any_text_are_not_checked():
    with running_mock_server(Behaviour(ttft=0.001, itl=0)) as url:
        result = measure(Endpoint(url, "m"), Workload(output_tokens=2), Load(concurrency=1, requests=2))

    assert result.metrics["valid_answers"].n == 0
    assert {record.answer_valid for record in result.records} == {None}


def test_words_are_no_valid_answer():
    with scripted([whole(STREAMS["no usage"].body)]) as server:
        workload = Workload(expects="json")
        result = measure(Endpoint(server.url, "m"), workload, Load(concurrency=1, requests=1), probe=False)

    assert result.metrics["valid_answers"].mean == 0
