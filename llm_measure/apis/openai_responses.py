"""OpenAI's Responses: https://developers.openai.com/api/reference/resources/responses/streaming-events."""

from collections.abc import Iterator
from typing import Any

import msgspec

from llm_measure.apis.base import Answer, Content, Piece, Prompt, TokenCount, Usage, size, text_of
from llm_measure.apis.openai import DONE, OpenAI
from llm_measure.apis.openai_responses_input import input_items

TEXT = frozenset(("response.output_text.delta", "response.refusal.delta"))
# Raw reasoning, which open models stream, and summaries; each also by its former name.
REASONING = frozenset(
    (
        "response.reasoning_text.delta",
        "response.reasoning_summary_text.delta",
        "response.reasoning.delta",
        "response.reasoning_summary.delta",
    )
)
TOOL_CALLS = frozenset(
    (
        "response.function_call_arguments.delta",
        "response.custom_tool_call_input.delta",
        "response.mcp_call_arguments.delta",
        "response.code_interpreter_call_code.delta",
    )
)
ENDS = frozenset(("response.completed", "response.incomplete", "response.failed", "response.cancelled"))
# Items that ask the client to call a tool; the other calls are made by the server itself.
CALLS = frozenset(("function_call", "custom_tool_call", "computer_call", "local_shell_call", "shell_call"))
# Reasons why a response is incomplete in the words of chat, by which reports count and tokens are attributed.
FINISH_REASONS = {"max_output_tokens": "length", "content_filter": "content_filter"}
NO_ERROR_GIVEN = {"code": "server_error", "message": "the response failed without an error"}


class Counts(msgspec.Struct, gc=False):
    """The usage as Responses write it; cached input and reasoning are parts of the totals."""

    input_tokens: TokenCount | None = None
    output_tokens: TokenCount | None = None
    total: Any = msgspec.field(default=None, name="total_tokens")
    input_details: Any = msgspec.field(default=None, name="input_tokens_details")
    output_details: Any = msgspec.field(default=None, name="output_tokens_details")

    def usage(self) -> Usage:
        """Return the counts by the names of chat."""
        return Usage(
            prompt_tokens=self.input_tokens,
            completion_tokens=self.output_tokens,
            total=self.total,
            prompt_details=self.input_details,
            completion_details=self.output_details,
        )


class Item(msgspec.Struct, gc=False):
    """An item of the output: a message, reasoning or a call of a tool."""

    type: str | None = None
    name: Any = None
    arguments: Any = None  # mostly empty where the item begins


class Incomplete(msgspec.Struct, gc=False):
    """Why a response is incomplete."""

    reason: str | None = None


class Response(msgspec.Struct, gc=False):
    """What is read of the response in the events of its beginning and its end."""

    model: str | None = None
    status: str | None = None
    error: Any = None
    incomplete_details: Incomplete | None = None
    output: list[Item] | None = None
    counts: Counts | None = msgspec.field(default=None, name="usage")

    @property
    def finish_reason(self) -> str:
        """Why it ended. Some servers report an incomplete one with the event response.completed."""
        reason = self.incomplete_details.reason if self.incomplete_details else None
        if reason or self.status == "incomplete":
            return FINISH_REASONS.get(reason or "", reason or "incomplete")
        return "tool_calls" if any(item.type in CALLS for item in self.output or ()) else "stop"


class ResponsesChunk(msgspec.Struct, gc=False):
    """What is read of an event's JSON."""

    type: str | None = None
    delta: Any = None
    item: Item | None = None
    response: Response | None = None
    error: Any = None

    def content(self) -> Content:
        """Return what the event adds; most hold a text alone, which is looked at first."""
        kind = self.type
        if kind in TEXT:
            return size(self.delta), 0, 0, None
        if kind in REASONING:
            return 0, size(self.delta), 0, None
        if kind in TOOL_CALLS:
            return 0, 0, size(self.delta), None
        if kind in ENDS:
            return 0, 0, 0, self._end()
        if kind == "response.output_item.added" and self.item is not None and self.item.type in CALLS:
            return 0, 0, size(self.item.name) + size(self.item.arguments), None
        return 0, 0, 0, None

    def _end(self) -> str:
        """Return the finish reason, and note the error of a response that failed."""
        response = self.response or Response()
        if self.type == "response.failed" or response.status == "failed":
            self.error = response.error or NO_ERROR_GIVEN
        return "abort" if self.type == "response.cancelled" else response.finish_reason

    @property
    def usage(self) -> Usage | None:
        """The counts of the response's end."""
        return self.response.counts.usage() if self.response and self.response.counts else None


_decode = msgspec.json.Decoder(ResponsesChunk).decode


class OpenAIResponses(OpenAI):
    """POST {base}/responses.

    A stream ends with one of `ENDS`, which says why, and with its body. `[DONE]` may follow, as from LiteLLM.
    """

    name = "responses"
    operation = "chat"
    end = None
    maximum_field = ("max_output_tokens",)
    usage_field = None

    def decode(self, data: bytes, /) -> ResponsesChunk:
        """Return the event's chunk, an empty one for `[DONE]`."""
        return _decode(data) if data != DONE else ResponsesChunk()

    def path(self, model: str) -> str:
        """Return the path, the same for all models."""
        return "responses"

    def body(self, model: str, prompt: Prompt, output_tokens: int) -> dict[str, Any]:
        """Return the body; ValueError for a conversation that has no counterpart."""
        return {
            "model": model,
            "input": prompt if isinstance(prompt, str) else input_items(prompt),
            "max_output_tokens": output_tokens,
            "stream": True,
        }

    def expecting(self, kind: Answer, name: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
        """Return a function that must be called, or the format of the text."""
        if kind == "json":
            return {
                "text": {"format": {"type": "json_schema", "name": name, "schema": schema, "strict": True}}
            }
        function = {"type": "function", "name": name, "description": description, "parameters": schema}
        return {"tools": [function], "tool_choice": {"type": "function", "name": name}}

    def pieces(self, event: dict[str, Any]) -> Iterator[Piece]:
        """Yield texts, names of functions and pieces of their arguments."""
        kind, item = event.get("type"), event.get("item") or {}
        if kind == "response.output_text.delta":
            yield Piece(text_of(event.get("delta")))
        elif kind == "response.output_item.added" and item.get("type") == "function_call":
            name, arguments = text_of(item.get("name")), text_of(item.get("arguments"))
            yield Piece(call=event.get("output_index") or 0, name=name, arguments=arguments)
        elif kind == "response.function_call_arguments.delta":
            yield Piece(call=event.get("output_index") or 0, arguments=text_of(event.get("delta")))

    def model(self, data: bytes) -> str | None:
        """Return the model of the response that the first events hold."""
        try:
            response = self.decode(data).response
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
        return (response.model or None) if response else None
