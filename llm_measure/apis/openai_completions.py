"""OpenAI's legacy completions: https://platform.openai.com/docs/api-reference/completions."""

from typing import Any

import msgspec

from llm_measure.apis.base import Chunk, Content, Prompt, Usage
from llm_measure.apis.openai import OpenAI, streamed


class Choice(msgspec.Struct, gc=False):
    """One choice of a chunk."""

    text: str | None = None
    finish_reason: str | None = None


class CompletionChunk(msgspec.Struct, gc=False):
    """What is read of an event's JSON."""

    choices: list[Choice] | None = None
    usage: Usage | None = None
    error: Any = None

    @property
    def content(self) -> Content:
        """The characters of all choices."""
        text = 0
        for choice in self.choices or ():
            text += len(choice.text or "")
        return Content(text)

    @property
    def finish_reason(self) -> str | None:
        """The first reason that a choice gives."""
        for choice in self.choices or ():
            if choice.finish_reason:
                return choice.finish_reason
        return None


class OpenAICompletions(OpenAI):
    """POST {base}/completions."""

    name = "completions"
    operation = "text_completion"
    path = "completions"
    _decoder = msgspec.json.Decoder(CompletionChunk)

    def body(self, model: str, prompt: Prompt, output_tokens: int) -> dict[str, Any]:
        """Return the body; ValueError for a conversation."""
        if not isinstance(prompt, str):
            raise ValueError("the completions API takes no messages; expected a prompt")
        return streamed(model, {"prompt": prompt}, output_tokens)

    def decode(self, data: bytes) -> Chunk:
        """Return the event's chunk."""
        return self._decoder.decode(data)
