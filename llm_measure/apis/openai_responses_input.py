"""Conversations as Responses take them: https://developers.openai.com/api/docs/guides/migrate-to-responses."""

from collections.abc import Iterator
from typing import Any

ROLES = ("system", "developer", "user", "assistant")


def input_items(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return OpenAI's messages as items of an `input`; ValueError for one that has no counterpart."""
    items: list[dict[str, Any]] = []
    for number, message in enumerate(messages):
        try:
            items += _items(message)
        except (TypeError, KeyError, AttributeError):
            raise ValueError(
                f"messages[{number}]: no counterpart in the responses API; expected roles system, developer,"
                " user, assistant and tool with text, images, files and calls of functions"
            ) from None
    return items


def _items(message: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a message's items; TypeError, KeyError or AttributeError if it has an unknown shape."""
    role, content = message["role"], message.get("content")
    if role == "tool":
        yield {
            "type": "function_call_output",
            "call_id": message["tool_call_id"],
            "output": _content(content, role),
        }
        return
    if role not in ROLES or "function_call" in message:
        raise KeyError(role)
    calls = message.get("tool_calls") or ()
    if content or not calls:
        yield {"role": role, "content": _content(content, role)}
    for call in calls:
        function = call["function"]
        yield {
            "type": "function_call",
            "call_id": call["id"],
            "name": function["name"],
            "arguments": function["arguments"],
        }


def _content(content: Any, role: str) -> str | list[dict[str, Any]]:
    return content if isinstance(content, str) else [_part(part, role) for part in content]


def _part(part: dict[str, Any], role: str) -> dict[str, Any]:
    """Return a part of a content, whose type differs between input and output."""
    kind = part["type"]
    if kind == "text":
        return {"type": "output_text" if role == "assistant" else "input_text", "text": part["text"]}
    if kind == "refusal":
        return {"type": "refusal", "refusal": part["refusal"]}
    if kind == "image_url":
        image = part["image_url"]
        return {"type": "input_image", "image_url": image["url"], "detail": image.get("detail", "auto")}
    if kind == "file":
        return {"type": "input_file", **part["file"]}
    raise KeyError(kind)
