"""OpenAI's embeddings, as vLLM, TEI and others serve them: https://platform.openai.com/docs/api-reference/embeddings."""

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from llm_measure.apis.base import Usage
from llm_measure.apis.encoding import EncodingAPI, Wanted, count_fault, prompt_tokens

# A list that begins with a number, one of such lists, or base64.
VECTOR = re.compile(rb'\[[\s\[]*-?[0-9]|"[A-Za-z0-9+/]')


class Embedding(msgspec.Struct, gc=False):
    """The vector of one input, whose numbers are not decoded: hundreds of them may have a million."""

    embedding: msgspec.Raw = msgspec.Raw()
    index: int | None = None


class EmbeddingsAnswer(msgspec.Struct, gc=False):
    """What is read of a response."""

    data: list[Embedding] | None = None
    model: str | None = None
    usage: Usage | None = None

    @property
    def prompt_tokens(self) -> int | None:
        """The server's count."""
        return prompt_tokens(self.usage)

    def fault(self, wanted: Wanted) -> str | None:
        """Return why there is not one vector for each input."""
        found = self.data or []
        if fault := count_fault("embeddings", [each.index for each in found], wanted):
            return fault
        empty = sum(not VECTOR.match(memoryview(each.embedding)) for each in found)
        return f"{empty} embeddings are empty; expected numbers or base64" if empty else None


class Embeddings(EncodingAPI):
    """POST {base}/embeddings."""

    name = "embeddings"
    operation = "embeddings"
    decode = staticmethod(msgspec.json.Decoder(EmbeddingsAnswer).decode)

    def path(self, model: str) -> str:
        """Return the path, the same for all models."""
        return "embeddings"

    def body(self, model: str, inputs: Sequence[str], query: str) -> dict[str, Any]:
        """Return the body."""
        return {"model": model, "input": list(inputs)}

    def wanted(self, body: dict[str, Any]) -> Wanted:
        """Return a vector for each input; a text or a list of token numbers is one."""
        given = body.get("input")
        is_list = isinstance(given, list) and not any(isinstance(each, int) for each in given)
        number = len(given or ()) if is_list else 1
        return Wanted(number, number)
