import pytest

from llm_measure import apis

CHAT, COMPLETIONS = apis.named("chat"), apis.named("completions")


def test_chat_and_completions_ask_the_same_in_different_fields():
    chat, completions = (api.body("m", "hello", 5) for api in (CHAT, COMPLETIONS))

    assert chat.pop("messages") == [{"role": "user", "content": completions.pop("prompt")}]
    assert chat == completions
    assert chat == {
        "model": "m",
        "max_tokens": 5,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_chat_takes_a_conversation_and_completions_refuse_it():
    messages = [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hello"}]

    assert CHAT.body("m", messages, 5)["messages"] == messages
    with pytest.raises(ValueError, match="the completions API takes no messages; expected a prompt"):
        COMPLETIONS.body("m", messages, 5)


def test_the_key_is_a_bearer_token():
    assert CHAT.headers("sesame") == {"Authorization": "Bearer sesame"}
    assert CHAT.headers(None) == {}


@pytest.mark.parametrize(
    ("choice", "content"),
    [
        (b'{"delta": {"content": "abc"}}', (3, 0, 0, None)),
        (b'{"delta": {"refusal": "no"}}', (2, 0, 0, None)),
        (b'{"delta": {"reasoning_content": "hm"}}', (0, 2, 0, None)),
        (b'{"delta": {"reasoning": "hm", "reasoning_content": "hm"}}', (0, 2, 0, None)),
        (b'{"delta": {"tool_calls": [{}, {}]}}', (0, 0, 4, None)),
        (b'{"delta": {}, "finish_reason": "stop"}', (0, 0, 0, "stop")),
        (b'{"delta": null, "finish_reason": "stop"}', (0, 0, 0, "stop")),
        (
            b'{"delta": {"content": "a"}, "finish_reason": "stop"}, {"delta": {"content": "b"}}',
            (2, 0, 0, "stop"),
        ),
    ],
)
def test_a_chunk_of_chat_adds_text_reasoning_and_tool_calls(choice, content):
    assert CHAT.decode(b'{"choices": [%b]}' % choice).content() == content


def test_a_chunk_of_completions_adds_text():
    chunk = COMPLETIONS.decode(b'{"choices": [{"text": "ab"}, {"text": "c", "finish_reason": "length"}]}')

    assert chunk.content() == (3, 0, 0, "length")


def test_a_chunk_without_choices_adds_nothing():
    chunk = CHAT.decode(b'{"choices": null, "usage": {"prompt_tokens": 3, "completion_tokens": 5}}')

    assert chunk.content() == (0, 0, 0, None)
    assert (chunk.usage.prompt_tokens, chunk.usage.completion_tokens) == (3, 5)


@pytest.mark.parametrize(
    ("error", "found"),
    [
        ({"message": "slow down", "code": 429}, (429, "slow down")),
        ({"message": "slow down", "code": "429"}, (429, "slow down")),
        ({"message": "out of memory", "code": "oom"}, (500, "out of memory")),
        ({"message": "out of memory"}, (500, "out of memory")),
        ("out of memory", (500, "out of memory")),
        ([1], (500, "[1]")),
        (True, (500, "True")),
    ],
)
def test_an_error_in_a_stream_has_a_status_and_a_message(error, found):
    assert CHAT.stream_error(error) == found
