"""The shapes in which the mock server answers, one per path."""

from typing import Any, Protocol

CREATED = 1_700_000_000


class Dialect(Protocol):
    """The JSON of one API."""

    def role_choice(self) -> dict[str, Any] | None:
        """Return the choice of a first chunk with the role alone; None if the API sends none."""

    def choice(self, text: str | None, reasoning: bool, finish_reason: str | None) -> dict[str, Any]:
        """Return the choice of a chunk; the last one has no text, which is not the same as an empty one."""

    def whole_choice(self, text: str, reasoning: str, finish_reason: str) -> dict[str, Any]:
        """Return the choice of a response that is not streamed."""

    def envelope(self, model: str, streamed: bool) -> dict[str, Any]:
        """Return the fields around the choices."""


class Chat:
    """Chat completions."""

    def role_choice(self) -> dict[str, Any] | None:
        """Return a choice with the role and no content."""
        return {"index": 0, "delta": {"role": "assistant", "content": ""}}

    def choice(self, text: str | None, reasoning: bool, finish_reason: str | None) -> dict[str, Any]:
        """Return a delta."""
        delta = {"reasoning_content" if reasoning else "content": text} if text is not None else {}
        return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}

    def whole_choice(self, text: str, reasoning: str, finish_reason: str) -> dict[str, Any]:
        """Return a message."""
        message = {"role": "assistant", "content": text}
        if reasoning:
            message["reasoning_content"] = reasoning
        return {"index": 0, "message": message, "logprobs": None, "finish_reason": finish_reason}

    def envelope(self, model: str, streamed: bool) -> dict[str, Any]:
        """Return the fields around the choices."""
        name = "chat.completion.chunk" if streamed else "chat.completion"
        return {"id": "chatcmpl-mock", "object": name, "created": CREATED, "model": model}


class Completions:
    """Legacy completions, which know no roles and no reasoning."""

    def role_choice(self) -> dict[str, Any] | None:
        """Return nothing."""
        return None

    def choice(self, text: str | None, reasoning: bool, finish_reason: str | None) -> dict[str, Any]:
        """Return a text."""
        return {"index": 0, "text": text or "", "logprobs": None, "finish_reason": finish_reason}

    def whole_choice(self, text: str, reasoning: str, finish_reason: str) -> dict[str, Any]:
        """Return reasoning and text as one."""
        return self.choice(reasoning + text, False, finish_reason)

    def envelope(self, model: str, streamed: bool) -> dict[str, Any]:
        """Return the fields around the choices."""
        return {"id": "cmpl-mock", "object": "text_completion", "created": CREATED, "model": model}


DIALECTS: dict[bytes, Dialect] = {b"/v1/chat/completions": Chat(), b"/v1/completions": Completions()}
