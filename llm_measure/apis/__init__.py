"""Provider APIs: to add one, write its module and register it here. No other module knows an API by name."""

from llm_measure.apis.anthropic import AnthropicMessages
from llm_measure.apis.azure import AzureOpenAI
from llm_measure.apis.base import Chunk, ProviderAPI, Usage
from llm_measure.apis.gemini import Gemini
from llm_measure.apis.openai_chat import OpenAIChat
from llm_measure.apis.openai_completions import OpenAICompletions
from llm_measure.apis.openai_responses import OpenAIResponses

__all__ = ["Chunk", "ProviderAPI", "Usage", "named", "names", "register", "unregister"]

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
register(OpenAIResponses())
register(AnthropicMessages())
register(Gemini())
register(AzureOpenAI())
