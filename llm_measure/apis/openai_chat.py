"""OpenAI's chat completions: https://platform.openai.com/docs/api-reference/chat-streaming."""

from collections.abc import Iterator
from typing import Any

import msgspec

from llm_measure.apis.base import Answer, Content, Piece, Prompt, messages_of, size, text_of
from llm_measure.apis.openai import OpenAI, OpenAIChunk, streamed

# The types of parts of a content that are no answer yet.
REASONING_PARTS = frozenset(("thinking", "reasoning"))


class Delta(msgspec.Struct, gc=False):
    """What a chunk adds to a message; servers use any name for reasoning, and texts or lists of parts."""

    content: str | list[Any] | None = None
    reasoning_content: Any = None
    reasoning: Any = None
    reasoning_details: Any = None
    refusal: Any = None
    tool_calls: list[msgspec.Raw] | None = None
    function_call: Any = None  # the former form of a tool call


class Choice(msgspec.Struct, gc=False):
    """One choice of a chunk."""

    delta: Delta | None = None
    finish_reason: str | None = None
    error: Any = None


class ChatChunk(OpenAIChunk, gc=False):
    """What is read of an event's JSON."""

    choices: list[Choice] | None = None

    def content(self) -> Content:
        """Return what all choices add; most chunks hold text alone, which is looked at first."""
        text = reasoning = tool_calls = 0
        finish_reason = None
        for choice in self.choices or ():
            delta = choice.delta
            if delta is not None:
                content = delta.content
                if content and isinstance(content, str):
                    text += len(content) if content.isascii() else size(content)
                elif content:
                    thoughts = size([part for part in content if _is_reasoning(part)])
                    reasoning += thoughts
                    text += size(content) - thoughts
                else:
                    text += size(delta.refusal)
                    reasoning += size(delta.reasoning_content or delta.reasoning or delta.reasoning_details)
                    tool_calls += sum(map(len, delta.tool_calls or ())) + size(delta.function_call)
            if choice.finish_reason:
                finish_reason = choice.finish_reason
            if choice.error:
                self.error = choice.error
        if not text and self.timings is not None:
            self.read_timings()
        return text, reasoning, tool_calls, finish_reason


def _is_reasoning(part: Any) -> bool:
    return isinstance(part, dict) and part.get("type") in REASONING_PARTS


class OpenAIChat(OpenAI):
    """POST {base}/chat/completions."""

    name = "chat"
    operation = "chat"
    decode = staticmethod(msgspec.json.Decoder(ChatChunk).decode)

    def path(self, model: str) -> str:
        """Return the path, the same for all models."""
        return "chat/completions"

    def body(self, model: str, prompt: Prompt, output_tokens: int) -> dict[str, Any]:
        """Return the body; a text becomes one message of the user."""
        messages = messages_of(prompt)
        return streamed(model, {"messages": messages}, output_tokens)

    def expecting(self, kind: Answer, name: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
        """Return a tool that must be called, or the format of the response."""
        if kind == "json":
            return {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": name, "schema": schema, "strict": True},
                }
            }
        function = {"name": name, "description": description, "parameters": schema}
        return {
            "tools": [{"type": "function", "function": function}],
            "tool_choice": {"type": "function", "function": {"name": name}},
        }

    def pieces(self, event: dict[str, Any]) -> Iterator[Piece]:
        """Yield texts and calls of tools of the first choice."""
        for choice in event.get("choices") or ():
            delta = choice.get("delta") or {}
            if choice.get("index"):
                continue
            content = delta.get("content")
            if isinstance(content, list):
                content = "".join(text_of(part.get("text")) for part in content if not _is_reasoning(part))
            if content:
                yield Piece(text_of(content))
            calls = delta.get("tool_calls") or ()
            former = delta.get("function_call")
            for call in (*calls, *([{"function": former}] if former else ())):
                function = call.get("function") or {}
                index, name = call.get("index") or 0, text_of(function.get("name"))
                yield Piece(call=index, name=name, arguments=text_of(function.get("arguments")))
