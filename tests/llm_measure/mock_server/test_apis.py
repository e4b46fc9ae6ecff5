"""APIs that report cached tokens and reasoning, and open a stream before its first token, do so alike."""

import pytest

from llm_measure.mock_server.behaviour import Behaviour
from tests.llm_measure.mock_server.measured import records

APIS = ["messages", "responses", "gemini"]


@pytest.mark.parametrize("api", APIS)
def test_our_client_counts_what_the_server_sends(api):
    behaviour = Behaviour(ttft=0.01, itl=0.001, api_key="key", cached_tokens=100, reasoning_tokens=2)
    (record,) = records(api, behaviour, input_tokens=120, output_tokens=5)

    assert (record.error, record.finish_reason, record.token_source) == (None, "length", "usage")
    assert (record.prompt_tokens, record.cached_tokens) == (120, 100)
    assert (record.output_tokens, record.reasoning_tokens, record.chunk_tokens) == (5, 2, [1] * 5)


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("role_first", [True, False])
def test_a_stream_opens_immediately_or_with_the_first_token(api, role_first):
    (record,) = records(api, Behaviour(ttft=0.2, itl=0.001, role_first=role_first), output_tokens=3)

    assert (record.first_byte_ns - record.sent_ns < 0.1e9) == role_first
    assert record.first_token_ns - record.sent_ns >= 0.2e9
    assert record.output_tokens == 3
