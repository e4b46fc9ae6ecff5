"""Rerank as Cohere, Jina, Voyage, vLLM and llama.cpp serve it: https://docs.cohere.com/reference/rerank.

TEI's is another: https://huggingface.github.io/text-embeddings-inference.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from llm_measure.apis.base import Usage, token_count
from llm_measure.apis.encoding import EncodingAPI, Wanted, count_fault, prompt_tokens

MOST_FIELDS = ("top_n", "top_k")  # of a body: the number of results, where 0 means all


class Result(msgspec.Struct, gc=False):
    """The score of one document."""

    index: int | None = None
    relevance_score: float | None = None
    score: float | None = None  # TEI's


class Meta(msgspec.Struct, gc=False):
    """Where Cohere counts tokens, if at all."""

    tokens: Any = None
    billed_units: Any = None

    @property
    def prompt_tokens(self) -> int | None:
        """The tokens that were read or else billed."""
        parts = (part for part in (self.tokens, self.billed_units) if isinstance(part, dict))
        counts = (token_count(part.get("input_tokens")) for part in parts)
        return next((count for count in counts if count is not None), None)


class Ranking(msgspec.Struct, gc=False):
    """What is read of a response."""

    results: list[Result] | None = None
    data: list[Result] | None = None  # Voyage's name for them
    model: str | None = None
    usage: Usage | None = None
    meta: Meta | None = None

    @property
    def prompt_tokens(self) -> int | None:
        """The server's count."""
        counted = prompt_tokens(self.usage)
        return self.meta.prompt_tokens if counted is None and self.meta else counted

    def fault(self, wanted: Wanted) -> str | None:
        """Return why there is not a score for each document, or for as many as were asked for."""
        found = self.results or self.data or []
        if fault := count_fault("results", [each.index for each in found], wanted):
            return fault
        without = sum(each.relevance_score is None and each.score is None for each in found)
        return f"{without} results without a score; expected a relevance_score" if without else None


_decode = msgspec.json.Decoder(Ranking | list[Result]).decode


class Rerank(EncodingAPI):
    """POST {base}/rerank."""

    name = "rerank"
    operation = "rerank"
    compares = True
    documents_field = "documents"

    def path(self, model: str) -> str:
        """Return the path, the same for all models."""
        return "rerank"

    def body(self, model: str, inputs: Sequence[str], query: str) -> dict[str, Any]:
        """Return the body."""
        return {"model": model, "query": query, self.documents_field: list(inputs)}

    def wanted(self, body: dict[str, Any]) -> Wanted:
        """Return a score for each document, or for the best ones."""
        documents = body.get(self.documents_field)
        number = len(documents) if isinstance(documents, list) else 1
        most = (body.get(name) for name in MOST_FIELDS)
        return Wanted(number, min([number, *(each for each in most if isinstance(each, int) and each > 0)]))

    def decode(self, body: bytes, /) -> Ranking:
        """Return the answer, also of a server that sends the results alone."""
        found = _decode(body)
        return Ranking(results=found) if isinstance(found, list) else found


class TEIRerank(Rerank):
    """POST {base}/rerank of TEI, which calls the documents texts and takes no model."""

    name = "rerank-tei"
    documents_field = "texts"

    def body(self, model: str, inputs: Sequence[str], query: str) -> dict[str, Any]:
        """Return the body."""
        return {"query": query, self.documents_field: list(inputs)}
