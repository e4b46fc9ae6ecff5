"""OpenAI's Responses."""

from typing import Any

import msgspec

from llm_measure.mock_server.chunks import Chunk
from llm_measure.mock_server.dialects.base import EVENT_STREAM, Counts, Request, event, texts_of, words
from llm_measure.mock_server.dialects.openai import CREATED, error_body

# Names of an item of reasoning, and of a message, with their parts.
REASONING, MESSAGE = ("reasoning", "reasoning_text"), ("message", "output_text")
OPENING_EVENTS = 2


class Body(msgspec.Struct):
    """What is read of a request's JSON."""

    model: str
    input: str | list[dict[str, Any]]
    instructions: str | None = None
    stream: bool = False
    max_output_tokens: int | None = None


_decode = msgspec.json.Decoder(Body).decode


class Responses:
    """Output items in a response, reasoning first; usage at its end, where all texts are repeated.

    Events are numbered, and those at the end have the texts, so each answer is built by a copy of this.
    """

    content_type = EVENT_STREAM
    always_opens = always_counts = True
    _number = OPENING_EVENTS  # of the next event after the opening
    _text = _reasoning = ""  # so far

    def request(self, body: bytes, model: str | None) -> Request:
        """Return the request."""
        asked = _decode(body)
        items = [{"content": asked.input}] if isinstance(asked.input, str) else asked.input
        contents = [asked.instructions, *(item.get("content", item.get("output")) for item in items)]
        return Request(
            model=asked.model,
            prompt_tokens=sum(words(texts_of(content)) for content in contents),
            stream=asked.stream,
            maximum=asked.max_output_tokens,
            usage_last=True,
        )

    def opening(self, model: str, counts: Counts | None) -> list[bytes]:
        """Return the response without output, as it is created and in progress."""
        response = _response(model, "in_progress", [], None)
        kinds = ("response.created", "response.in_progress")
        return [_numbered(number, kind, response=response) for number, kind in enumerate(kinds)]

    def chunk(self, model: str, chunk: Chunk, begins: bool, counts: Counts | None) -> list[bytes]:
        """Return a delta, after the end of the item before and the start of its item if it begins one."""
        events = []
        if begins:
            events += self._item_end(0, REASONING, self._reasoning) if chunk.block else []
            events += self._item_start(chunk.block, REASONING if chunk.reasoning else MESSAGE)
        if chunk.reasoning:
            self._reasoning += chunk.text
        else:
            self._text += chunk.text
        _, part = REASONING if chunk.reasoning else MESSAGE
        return [*events, self._of_part(chunk.block, f"response.{part}.delta", delta=chunk.text)]

    def closing(
        self, model: str, block: int | None, is_cut: bool, counts: Counts | None, final: Counts | None
    ) -> list[bytes]:
        """Return the ends of the item and the response."""
        ends = []
        if block is not None:
            is_message = block or not self._reasoning
            names, text = (MESSAGE, self._text) if is_message else (REASONING, self._reasoning)
            ends = self._item_end(block, names, text)
        status = _status(is_cut)
        response = _response(model, status, _output(self._text, self._reasoning), final)
        return [*ends, self._event(f"response.{status}", response=response)]

    def whole(
        self, model: str, text: str, reasoning: str, is_cut: bool, counts: Counts | None
    ) -> dict[str, Any]:
        """Return a response."""
        return _response(model, _status(is_cut), _output(text, reasoning), counts)

    def error(self, status: int, reason: str, message: str) -> dict[str, Any]:
        """Return an error with its message."""
        return error_body(reason, message)

    def _item_start(self, index: int, names: tuple[str, str]) -> list[bytes]:
        item, part = _item(index, names, None), _part(names, "")
        return [
            self._event("response.output_item.added", output_index=index, item=item),
            self._of_part(index, "response.content_part.added", part=part),
        ]

    def _item_end(self, index: int, names: tuple[str, str], text: str) -> list[bytes]:
        return [
            self._of_part(index, f"response.{names[1]}.done", text=text),
            self._of_part(index, "response.content_part.done", part=_part(names, text)),
            self._event("response.output_item.done", output_index=index, item=_item(index, names, text)),
        ]

    def _of_part(self, index: int, kind: str, **fields: Any) -> bytes:
        return self._event(kind, item_id=_id(index), output_index=index, content_index=0, **fields)

    def _event(self, kind: str, **fields: Any) -> bytes:
        self._number += 1
        return _numbered(self._number - 1, kind, **fields)


def _numbered(number: int, kind: str, **fields: Any) -> bytes:
    return event({"type": kind, "sequence_number": number, **fields}, kind)


def _status(is_cut: bool) -> str:
    return "incomplete" if is_cut else "completed"


def _output(text: str, reasoning: str) -> list[dict[str, Any]]:
    texts = [(names, each) for names, each in ((REASONING, reasoning), (MESSAGE, text)) if each]
    return [_item(index, names, each) for index, (names, each) in enumerate(texts)]


def _id(index: int) -> str:
    return f"item_{index}"


def _item(index: int, names: tuple[str, str], text: str | None) -> dict[str, Any]:
    """Return an item with its text; None: it has just begun."""
    content = [] if text is None else [_part(names, text)]
    status = "in_progress" if text is None else "completed"
    own: dict[str, Any] = {"summary": []} if names is REASONING else {"role": "assistant"}
    return {"id": _id(index), "type": names[0], "status": status, "content": content, **own}


def _part(names: tuple[str, str], text: str) -> dict[str, Any]:
    own: dict[str, Any] = {"annotations": [], "logprobs": []} if names is MESSAGE else {}
    return {"type": names[1], "text": text, **own}


def _response(model: str, status: str, output: list[dict[str, Any]], counts: Counts | None) -> dict[str, Any]:
    return {
        "id": "resp_mock",
        "object": "response",
        "created_at": CREATED,
        "model": model,
        "status": status,
        "error": None,
        "incomplete_details": {"reason": "max_output_tokens"} if status == "incomplete" else None,
        "output": output,
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": _usage(counts) if counts else None,
    }


def _usage(counts: Counts) -> dict[str, Any]:
    return {
        "input_tokens": counts.prompt,
        "input_tokens_details": {"cached_tokens": counts.cached},
        "output_tokens": counts.counted,
        "output_tokens_details": {"reasoning_tokens": counts.reasoning},
        "total_tokens": counts.prompt + counts.output,
    }
