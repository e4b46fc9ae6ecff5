"""OpenAI's embeddings, and rerank in Cohere's shape and TEI's: one body, without a stream."""

import struct
from abc import ABC, abstractmethod
from base64 import b64encode
from typing import Any, Literal

import msgspec

from llm_measure.mock_server.dialects.base import words
from llm_measure.mock_server.dialects.openai import MODEL, error_body

DIMENSIONS = 64


class EncodingRequest(msgspec.Struct, frozen=True):
    """What distinguishes the bytes of one answer from another's."""

    prompt_tokens: int  # number of words, which count as tokens
    inputs: int
    model: str = MODEL
    results: int = 0  # how many scores are asked for
    dimensions: int = DIMENSIONS
    packed: bool = False  # whether a vector is base64
    bare: bool = False  # whether the results are all there is, as of TEI


class EncodingDialect(ABC):
    """One API that answers with something for each input."""

    @abstractmethod
    def request(self, body: bytes) -> EncodingRequest:
        """Return the request; msgspec.DecodeError, UnicodeDecodeError or ValueError if it is malformed."""

    @abstractmethod
    def whole(self, asked: EncodingRequest, counts: bool) -> Any:
        """Return the body of the response, with token counts or without."""

    def error(self, status: int, reason: str, message: str) -> dict[str, Any]:
        """Return the body of a response with this status, whose name is `reason`."""
        return error_body(reason, message)


class EmbeddingsBody(msgspec.Struct):
    """What is read of a request's JSON."""

    input: str | list[str]
    model: str = MODEL
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: int = DIMENSIONS


class Embeddings(EncodingDialect):
    """Vectors: number j of input i is ((7i + j) mod 255 - 127) / 128."""

    def request(self, body: bytes) -> EncodingRequest:
        """Return the request."""
        asked = _decode_embeddings(body)
        if not 1 <= asked.dimensions <= 8192:
            raise ValueError(f"dimensions={asked.dimensions}: expected 1 to 8192")
        texts = [asked.input] if isinstance(asked.input, str) else asked.input
        return EncodingRequest(
            prompt_tokens=words(texts),
            inputs=len(texts),
            model=asked.model,
            dimensions=asked.dimensions,
            packed=asked.encoding_format == "base64",
        )

    def whole(self, asked: EncodingRequest, counts: bool) -> Any:
        """Return a list of embeddings."""
        data = [
            {"object": "embedding", "index": index, "embedding": _vector(asked, index)}
            for index in range(asked.inputs)
        ]
        usage = {"prompt_tokens": asked.prompt_tokens, "total_tokens": asked.prompt_tokens}
        answer = {"object": "list", "data": data, "model": asked.model}
        return answer | ({"usage": usage} if counts else {})


class RerankBody(msgspec.Struct):
    """What is read of a request's JSON; TEI's has texts."""

    query: str
    documents: list[str] | None = None
    texts: list[str] | None = None
    model: str = MODEL
    top_n: int | None = None


class Rerank(EncodingDialect):
    """Scores: (i + 1) / (n + 1) of document i of n, so that the last one comes first."""

    def request(self, body: bytes) -> EncodingRequest:
        """Return the request."""
        asked = _decode_rerank(body)
        documents = asked.texts if asked.documents is None else asked.documents
        if documents is None:
            raise ValueError("documents: missing; expected a list of texts")
        return EncodingRequest(
            prompt_tokens=words([asked.query, *documents]),
            inputs=len(documents),
            model=asked.model,
            results=min(asked.top_n or len(documents), len(documents)),
            bare=asked.documents is None,
        )

    def whole(self, asked: EncodingRequest, counts: bool) -> Any:
        """Return the results, best first."""
        scores = [
            (index, round((index + 1) / (asked.inputs + 1), 6)) for index in reversed(range(asked.inputs))
        ][: asked.results]
        if asked.bare:
            return [{"index": index, "score": score} for index, score in scores]
        answer: dict[str, Any] = {
            "id": "rerank-mock",
            "model": asked.model,
            "results": [{"index": index, "relevance_score": score} for index, score in scores],
        }
        if counts:
            answer["usage"] = {"total_tokens": asked.prompt_tokens}
            tokens = {"input_tokens": asked.prompt_tokens, "output_tokens": 0}
            answer["meta"] = {"billed_units": {"search_units": 1}, "tokens": tokens}
        return answer


def _vector(asked: EncodingRequest, index: int) -> list[float] | str:
    numbers = [((7 * index + place) % 255 - 127) / 128 for place in range(asked.dimensions)]
    return b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode() if asked.packed else numbers


_decode_embeddings = msgspec.json.Decoder(EmbeddingsBody).decode
_decode_rerank = msgspec.json.Decoder(RerankBody).decode
