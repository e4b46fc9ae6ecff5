"""What responses say, by provider API."""

import pytest

from llm_measure import apis
from llm_measure.client.reply import Reply, ToolCall, reply
from tests.llm_measure.event_streams import event as bedrock
from tests.llm_measure.streams import DONE, block, chat, delta, event, exchange, generated, named, started


def call(index: int, arguments: str, name: str | None = None) -> dict:
    return {"index": index, "function": {"arguments": arguments, **({"name": name} if name else {})}}


ARGUMENTS = '{"city": "Oslo"}'
SAID = {
    "chat": (
        chat({"role": "assistant", "content": ""}) + chat({"reasoning_content": "hm"})
        + chat({"content": "Hé"}) + chat({"content": [{"type": "text", "text": "llo"}]})
        + chat({"tool_calls": [call(0, "", "weather"), call(1, "{}", "time")]})
        + chat({"tool_calls": [call(0, ARGUMENTS[:5])]}) + chat({"tool_calls": [call(0, ARGUMENTS[5:])]})
        + event(choices=[{"index": 1, "delta": {"content": "another choice"}}])
        + chat({}, "tool_calls") + DONE
    ),
    "responses": (
        event(type="response.reasoning_text.delta", delta="hm")
        + event(type="response.output_text.delta", delta="Hé")
        + event(type="response.output_text.delta", delta="llo")
        + event(type="response.output_item.added", output_index=2,
                item={"type": "function_call", "name": "weather"})
        + event(type="response.function_call_arguments.delta", output_index=2, delta=ARGUMENTS)
        + event(type="response.output_item.added", output_index=3,
                item={"type": "function_call", "name": "time", "arguments": "{}"})
        + event(type="response.completed", response={})
    ),
    "messages": (
        started(input_tokens=5)
        + block(0, type="thinking", thinking="") + delta(0, "thinking_delta", thinking="hm")
        + block(1, type="text", text="")
        + delta(1, "text_delta", text="Hé") + delta(1, "text_delta", text="llo")
        + block(2, type="tool_use", id="t", name="weather", input={})
        + delta(2, "input_json_delta", partial_json=ARGUMENTS[:3])
        + delta(2, "input_json_delta", partial_json=ARGUMENTS[3:])
        + block(3, type="tool_use", id="u", name="time", input={})
        + delta(3, "input_json_delta", partial_json="{}") + named("message_stop")
    ),
    "gemini": (
        generated({"text": "hm", "thought": True}) + generated({"text": "Hé"}) + generated({"text": "llo"})
        + generated({"functionCall": {"name": "weather", "args": {"city": "Oslo"}}})
        + generated({"functionCall": {"name": "time"}}, finish_reason="STOP")
    ),
}  # fmt: skip


@pytest.mark.parametrize("api", SAID)
def test_text_and_calls_are_put_together_without_reasoning(api):
    parts = [SAID[api].encode()]
    assert reply(exchange(parts, [0]), apis.named(api)) == Reply(
        "Héllo", (ToolCall("weather", ARGUMENTS), ToolCall("time", "{}"))
    )


def test_bedrock_names_the_block_of_each_delta():
    parts = [
        bedrock("contentBlockDelta", contentBlockIndex=0, delta={"text": "Hé"}),
        bedrock("contentBlockDelta", contentBlockIndex=0, delta={"reasoningContent": {"text": "hm"}}),
        bedrock("contentBlockDelta", contentBlockIndex=0, delta={"text": "llo"}),
        bedrock("contentBlockStart", contentBlockIndex=1, start={"toolUse": {"name": "weather"}}),
        bedrock("contentBlockDelta", contentBlockIndex=1, delta={"toolUse": {"input": ARGUMENTS}}),
        bedrock("messageStop", stopReason="tool_use"),
    ]
    found = reply(exchange(parts, list(range(len(parts)))), apis.named("bedrock"))
    assert found == Reply("Héllo", (ToolCall("weather", ARGUMENTS),))


def test_completions_have_texts():
    text = event(choices=[{"index": 0, "text": " a"}]) + event(choices=[{"index": 0, "text": " b"}]) + DONE
    assert reply(exchange([text.encode()], [0]), apis.named("completions")) == Reply(" a b")


@pytest.mark.parametrize("odd", ["[]", "7", "{", '{"choices": [7]}', '{"choices": [{"delta": "x"}]}'])
def test_events_of_another_shape_say_nothing(odd):
    text = chat({"content": "a"}) + f"data: {odd}\n\n" + chat({"content": "b"}) + DONE
    assert reply(exchange([text.encode()], [0]), apis.named("chat")) == Reply("ab")
