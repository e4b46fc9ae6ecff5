"""Amazon's official client reads the mock server, and so does ours."""

import pytest
from botocore.exceptions import ClientError

from llm_measure.client.level import measure_level
from llm_measure.endpoints import Endpoint
from llm_measure.mock_server.behaviour import Behaviour
from llm_measure.mock_server.process import running_mock_server
from llm_measure.workloads import Load, Workload
from tests.llm_measure.bedrock_client import client_of

MODEL = "arn:aws:bedrock:us-east-1:1:inference-profile/us.a-v1:0"
ASKED = {
    "modelId": MODEL,
    "inferenceConfig": {"maxTokens": 6},
    "system": [{"text": "be brief"}],
    "messages": [{"role": "user", "content": [{"text": "one two three"}]}],
}


@pytest.fixture(scope="module")
def url():
    with running_mock_server(Behaviour(ttft=0.02, itl=0.002, cached_tokens=2)) as url:
        yield url


def streamed(url: str) -> list[dict]:
    with client_of(url.removesuffix("/v1")) as client:
        return list(client.converse_stream(**ASKED)["stream"])


def created(url: str) -> dict:
    with client_of(url.removesuffix("/v1")) as client:
        return client.converse(**ASKED)


def merged(events: list[dict]) -> list[str]:
    """The texts of the blocks of a stream."""
    blocks: dict[int, str] = {}
    for event in events:
        if found := event.get("contentBlockDelta"):
            delta = found["delta"]
            text = delta.get("text") or delta.get("reasoningContent", {}).get("text", "")
            blocks[found["contentBlockIndex"]] = blocks.get(found["contentBlockIndex"], "") + text
    return list(blocks.values())


def texts(response: dict) -> list[str]:
    return [
        block.get("text") or block["reasoningContent"]["reasoningText"]["text"]
        for block in response["output"]["message"]["content"]
    ]


class TestTheAmazonClient:
    def test_streams_the_text_that_the_openai_dialect_sends(self, url):
        events = streamed(url)

        assert merged(events) == [" the answer of a mock server"]
        assert [next(iter(event)) for event in events] == [
            "messageStart", *["contentBlockDelta"] * 6, "contentBlockStop", "messageStop", "metadata"
        ]  # fmt: skip

    def test_gets_the_same_message_streamed_and_not(self, url):
        whole, events = created(url), streamed(url)

        assert texts(whole) == merged(events)
        assert whole["stopReason"] == events[-2]["messageStop"]["stopReason"] == "max_tokens"
        assert whole["usage"] == events[-1]["metadata"]["usage"]

    def test_reads_the_usage_with_the_cached_part_of_the_prompt(self, url):
        assert created(url)["usage"] == {
            "inputTokens": 3, "outputTokens": 6, "totalTokens": 11,
            "cacheReadInputTokens": 2, "cacheWriteInputTokens": 0,
        }  # fmt: skip

    def test_reads_reasoning_and_text_as_blocks(self):
        with running_mock_server(Behaviour(ttft=0, itl=0, reasoning_tokens=2)) as url:
            whole, events = created(url), streamed(url)

        assert texts(whole) == merged(events) == [" the answer", " of a mock server"]
        assert {"reasoningContent": {"signature": "bW9jaw=="}} in [
            event["contentBlockDelta"]["delta"] for event in events if "contentBlockDelta" in event
        ]

    def test_reads_a_message_that_ends_before_its_maximum(self):
        with running_mock_server(Behaviour(ttft=0, itl=0, output_tokens=0)) as url:
            events = streamed(url)

        assert merged(events) == []
        assert events[1]["messageStop"]["stopReason"] == "end_turn"

    def test_raises_its_own_errors(self, url):
        with (
            client_of(url.removesuffix("/v1")) as client,
            pytest.raises(client.exceptions.ValidationException, match="body: Expec"),
        ):
            client.converse(**ASKED | {"inferenceConfig": {"maxTokens": "many"}})
        with (
            running_mock_server(Behaviour(rate_limit_rate=1.0)) as limited,
            client_of(limited.removesuffix("/v1")) as client,
            pytest.raises(client.exceptions.ThrottlingException, match="injected rate limit"),
        ):
            client.converse_stream(**ASKED)

    def test_is_refused_with_a_signature_where_an_api_key_is_required(self):
        with (
            running_mock_server(Behaviour(api_key="key")) as url,
            pytest.raises(ClientError, match=r"UnrecognizedClientException.*API key missing or wrong"),
        ):
            created(url)


@pytest.mark.parametrize("base", ["", "/v1"])
def test_our_client_counts_what_the_server_sends(base):
    behaviour = Behaviour(ttft=0.01, itl=0.001, api_key="key", cached_tokens=100, reasoning_tokens=2)
    with running_mock_server(behaviour) as url:
        endpoint = Endpoint(url.removesuffix("/v1") + base, MODEL, "bedrock", api_key="key")
        workload = Workload(input_tokens=120, output_tokens=5)
        (record,) = measure_level(endpoint, workload, Load(concurrency=1, requests=1)).records

    assert (record.error, record.finish_reason, record.token_source) == (None, "length", "usage")
    assert (record.prompt_tokens, record.cached_tokens) == (120, 100)
    assert (record.output_tokens, record.reasoning_tokens, record.chunk_tokens) == (5, 2, [1] * 5)
