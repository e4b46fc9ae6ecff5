"""Provider APIs: to add one, write its module and register it here. No other module knows an API by name."""

from importlib.util import find_spec

from llm_measure.apis.anthropic import AnthropicMessages
from llm_measure.apis.azure import AzureOpenAI
from llm_measure.apis.base import Chunk, SignedAPI, Signer, StreamingAPI, Usage
from llm_measure.apis.bedrock import BedrockConverse
from llm_measure.apis.embeddings import Embeddings
from llm_measure.apis.encoding import EncodingAPI
from llm_measure.apis.gemini import Gemini
from llm_measure.apis.openai_chat import OpenAIChat
from llm_measure.apis.openai_completions import OpenAICompletions
from llm_measure.apis.openai_responses import OpenAIResponses
from llm_measure.apis.rerank import Rerank, TEIRerank

__all__ = [
    "Chunk",
    "EncodingAPI",
    "ProviderAPI",
    "SignedAPI",
    "Signer",
    "StreamingAPI",
    "Usage",
    "check",
    "converses",
    "encodes",
    "named",
    "names",
    "register",
    "unregister",
]

ProviderAPI = StreamingAPI | EncodingAPI

_APIS: dict[str, ProviderAPI] = {}
_PACKAGES: dict[str, str] = {}  # that APIs need, which come with the extra of the API's name


def register(api: ProviderAPI, package: str | None = None) -> None:
    """Add a provider API, and the package that it needs, if any; ValueError if its name is taken."""
    if api.name in _APIS:
        raise ValueError(f"api={api.name!r}: duplicate name")
    _APIS[api.name] = api
    if package:
        _PACKAGES[api.name] = package


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


def encodes(name: str) -> bool:
    """Return whether the API takes inputs and answers with something for each, instead of generating."""
    return isinstance(named(name), EncodingAPI)


def converses(name: str) -> bool:
    """Return whether the API takes the messages of a conversation, rather than a single prompt."""
    api = named(name)
    if isinstance(api, EncodingAPI):
        return False
    try:
        api.body("", [{"role": "user", "content": "Hello"}], 1)
    except ValueError:
        return False
    return True


def check(name: str) -> None:
    """Raise ValueError if the provider API is unknown, or needs a package that is not installed."""
    package = _PACKAGES.get(named(name).name)
    if package and find_spec(package) is None:
        raise ValueError(f"api={name!r}: needs {package}; expected pip install '.[{name}]' in a clone")


register(OpenAIChat())
register(OpenAICompletions())
register(OpenAIResponses())
register(AnthropicMessages())
register(Gemini())
register(AzureOpenAI())
register(BedrockConverse(), package="botocore")
register(Embeddings())
register(Rerank())
register(TEIRerank())
