"""OpenAI's messages as Gemini's contents: https://ai.google.dev/api/caching#Content."""

from typing import Any

from llm_measure.apis.base import SYSTEM_ROLES, Prompt, messages_of, refuse_blank_answers

ROLES = {"user": "user", "assistant": "model"}
PARTS = "texts and images as data URLs"


def contents_of(prompt: Prompt) -> dict[str, Any]:
    """Return the fields `contents` and, if there are system messages, `systemInstruction`.

    ValueError for calls of tools, a blank answer, and parts that are neither texts nor images as data URLs.
    """
    messages = messages_of(prompt)
    system: list[dict[str, Any]] = []
    contents = []
    for message in messages:
        role = message.get("role") if isinstance(message, dict) else None
        if role in SYSTEM_ROLES:
            system += _parts(message.get("content"))
        elif role in ROLES and "tool_calls" not in message:
            contents.append({"role": ROLES[role], "parts": _parts(message.get("content"))})
        else:
            raise ValueError(
                "the gemini API takes no tool calls in OpenAI's shape; expected messages of system, user"
                " and assistant"
            )
    refuse_blank_answers("gemini", messages)
    return ({"systemInstruction": {"parts": system}} if system else {}) | {"contents": contents}


def _parts(content: Any) -> list[dict[str, Any]]:
    if isinstance(content, str):
        return [{"text": content}]
    if not isinstance(content, list):
        raise ValueError(f"the gemini API takes {PARTS}; expected a content")
    return [_part(part) for part in content]


def _part(part: Any) -> dict[str, Any]:
    kind = part.get("type") if isinstance(part, dict) else None
    if kind == "text":
        return {"text": part.get("text", "")}
    if kind == "image_url":
        image = part.get("image_url")
        scheme, _, rest = str(image.get("url") if isinstance(image, dict) else image).partition(":")
        media_type, encoding, data = rest.partition(";base64,")
        if scheme == "data" and encoding:
            return {"inlineData": {"mimeType": media_type, "data": data}}
    raise ValueError(f"the gemini API takes {PARTS}; got another part of type {kind!r}")
