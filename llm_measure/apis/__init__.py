"""Provider APIs: to add one, write its module and register it here. No other module knows an API by name."""

from llm_measure.apis.anthropic import AnthropicMessages
from llm_measure.apis.base import Chunk, StreamingAPI, Usage
from llm_measure.apis.embeddings import Embeddings
from llm_measure.apis.encoding import EncodingAPI
from llm_measure.apis.openai_chat import OpenAIChat
from llm_measure.apis.openai_completions import OpenAICompletions
from llm_measure.apis.rerank import Rerank, TEIRerank

__all__ = [
    "Chunk",
    "EncodingAPI",
    "ProviderAPI",
    "StreamingAPI",
    "Usage",
    "named",
    "names",
    "register",
    "unregister",
]

ProviderAPI = StreamingAPI | EncodingAPI

_APIS: dict[str, ProviderAPI] = {}


def register(api: ProviderAPI) -> None:
    """Add a provider API; ValueError if its name is taken."""
    if api.name in _APIS:
        raise ValueError(f"api={api.name!r}: duplicate name")
    _APIS[api.name] = api


def unregister(name: str) -> None:
    """Remove a provider API; KeyError if it is unknown."""
    del _APIS[name]


def names() -> tuple[str, ...]:
    """Return the names of all provider APIs."""
    return tuple(_APIS)


def named(name: str) -> ProviderAPI:
    """Return the provider API of that name; ValueError if it is unknown."""
    if name not in _APIS:
        raise ValueError(f"api={name!r}: unknown provider API; expected one of {', '.join(_APIS)}")
    return _APIS[name]


register(OpenAIChat())
register(OpenAICompletions())
register(AnthropicMessages())
register(Embeddings())
register(Rerank())
register(TEIRerank())
