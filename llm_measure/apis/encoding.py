"""What APIs have in common whose response is one JSON body, with something for each input of the request.

They generate nothing and do not stream: embeddings and rerank.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from llm_measure.apis.base import Usage
from llm_measure.apis.openai import OpenAIConventions


class Wanted(NamedTuple):
    """What a request asks for: the number of its inputs, and of results, which may be fewer."""

    inputs: int
    results: int


ONE = Wanted(1, 1)


class Answer(Protocol):
    """A decoded response."""

    @property
    def model(self) -> str | None:
        """The model that answered; None if none is named."""

    @property
    def prompt_tokens(self) -> int | None:
        """The server's count of the tokens of all inputs; None if it reports none."""

    def fault(self, wanted: Wanted) -> str | None:
        """Return why this is no answer to such a request; None if it is one."""


class EncodingAPI(OpenAIConventions, ABC):
    """A provider API that encodes: bearer key, and errors as OpenAI writes them."""

    name: str
    operation: str
    end = None
    maximum_field: tuple[str, ...] = ()
    usage_field = None
    compares = False  # whether a request has a query, which is counted with its inputs

    @abstractmethod
    def path(self, model: str) -> str:
        """Return the path below the base URL, and any query."""

    @abstractmethod
    def body(self, model: str, inputs: Sequence[str], query: str) -> dict[str, Any]:
        """Return the JSON body of a request; APIs that compare the inputs with nothing leave `query` out."""

    @abstractmethod
    def wanted(self, body: dict[str, Any]) -> Wanted:
        """Return what such a body asks for."""

    @abstractmethod
    def decode(self, body: bytes, /) -> Answer:
        """Return the answer; msgspec.DecodeError or UnicodeDecodeError if it is malformed."""


def prompt_tokens(usage: Usage | None) -> int | None:
    """Return the prompt tokens; some servers report them as the total alone."""
    if usage is None:
        return None
    return usage.total_tokens if usage.prompt_tokens is None else usage.prompt_tokens


def count_fault(what: str, indexes: Sequence[int | None], wanted: Wanted) -> str | None:
    """Return why these are not the results of such a request; one without an index has that of its place."""
    if len(indexes) != wanted.results:
        return f"{len(indexes)} {what}; expected {wanted.results}"
    found = {place if index is None else index for place, index in enumerate(indexes)}
    if len(found) < len(indexes) or not found <= set(range(wanted.inputs)):
        return f"indexes of {what}: wrong or duplicate; expected each from 0 to {wanted.inputs - 1} once"
    return None
