"""Azure OpenAI's chat completions."""

from typing import Any

from llm_measure.mock_server.dialects.base import Counts, event
from llm_measure.mock_server.dialects.openai import Chat, error_body

SAFE = {name: {"filtered": False, "severity": "safe"} for name in ("hate", "self_harm", "sexual", "violence")}


class AzureChat(Chat):
    """Chat completions with the results of content filters: the prompt's first, and those of each choice."""

    always_opens = True

    def opening(self, model: str, counts: Counts | None) -> list[bytes]:
        """Return an event with the prompt's results, then one with the role and no content."""
        results = [{"prompt_index": 0, "content_filter_results": SAFE}]
        nothing = {"id": "", "object": "", "created": 0, "model": "", "choices": []}
        return [event(nothing | {"prompt_filter_results": results}), *super().opening(model, counts)]

    def choice(self, text: str | None, reasoning: bool, finish_reason: str | None) -> dict[str, Any]:
        """Return a delta; an event without text has no results."""
        results = SAFE if text else {}
        return super().choice(text, reasoning, finish_reason) | {"content_filter_results": results}

    def whole_choice(self, text: str, reasoning: str, finish_reason: str) -> dict[str, Any]:
        """Return a message."""
        return super().whole_choice(text, reasoning, finish_reason) | {"content_filter_results": SAFE}

    def error(self, status: int, reason: str, message: str) -> dict[str, Any]:
        """Return an error, whose code is the status, as a text."""
        return error_body(reason, message, code=str(status))
