"""OpenAI's legacy completions: https://platform.openai.com/docs/api-reference/completions."""

from collections.abc import Iterator
from typing import Any

import msgspec

from llm_measure.apis.base import Answer, Content, Piece, Prompt, size, text_of
from llm_measure.apis.openai import OpenAI, OpenAIChunk, streamed


class Choice(msgspec.Struct, gc=False):
    """One choice of a chunk."""

    text: str | None = None
    finish_reason: str | None = None
    error: Any = None


class CompletionChunk(OpenAIChunk, gc=False):
    """What is read of an event's JSON."""

    choices: list[Choice] | None = None

    def content(self) -> Content:
        """Return what all choices add."""
        text, finish_reason = 0, None
        for choice in self.choices or ():
            if choice.text:
                text += size(choice.text)
            if choice.finish_reason:
                finish_reason = choice.finish_reason
            if choice.error:
                self.error = choice.error
        if not text and self.timings is not None:
            self.read_timings()
        return text, 0, 0, finish_reason


class OpenAICompletions(OpenAI):
    """POST {base}/completions."""

    name = "completions"
    operation = "text_completion"
    decode = staticmethod(msgspec.json.Decoder(CompletionChunk).decode)

    def path(self, model: str) -> str:
        """Return the path, the same for all models."""
        return "completions"

    def body(self, model: str, prompt: Prompt, output_tokens: int) -> dict[str, Any]:
        """Return the body; ValueError for a conversation."""
        if not isinstance(prompt, str):
            raise ValueError("the completions API takes no messages; expected a prompt")
        return streamed(model, {"prompt": prompt}, output_tokens)

    def expecting(self, kind: Answer, name: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
        """Return nothing; ValueError for any kind."""
        raise ValueError(f"expects={kind}: does not apply to the completions API, which has only texts")

    def pieces(self, event: dict[str, Any]) -> Iterator[Piece]:
        """Yield the texts of the first choice."""
        for choice in event.get("choices") or ():
            if not choice.get("index"):
                yield Piece(text_of(choice.get("text")))
