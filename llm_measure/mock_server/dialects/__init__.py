"""The APIs in which the mock server answers, by the path of a request."""

import re
from urllib.parse import unquote

from llm_measure.mock_server.dialects.anthropic import Messages
from llm_measure.mock_server.dialects.azure import AzureChat
from llm_measure.mock_server.dialects.base import Counts, Dialect, Request
from llm_measure.mock_server.dialects.bedrock import Converse
from llm_measure.mock_server.dialects.encoding import Embeddings, EncodingDialect, EncodingRequest, Rerank
from llm_measure.mock_server.dialects.gemini import GenerateContent
from llm_measure.mock_server.dialects.openai import Chat, Completions
from llm_measure.mock_server.dialects.openai_responses import Responses

__all__ = [
    "CHAT",
    "PATHS",
    "AnyDialect",
    "Counts",
    "Dialect",
    "EncodingDialect",
    "EncodingRequest",
    "Request",
    "dialect_of",
]

AnyDialect = Dialect | EncodingDialect

CHAT, RESPONSES, RERANK = Chat(), Responses(), Rerank()
GEMINI_STREAM, GEMINI_WHOLE = GenerateContent(stream=True), GenerateContent(stream=False)
CONVERSE_STREAM, CONVERSE = Converse(stream=True), Converse(stream=False)
# A path may have the model in it, as {model}.
PATHS: dict[str, AnyDialect] = {
    "/v1/chat/completions": CHAT,
    "/v1/completions": Completions(),
    "/v1/responses": RESPONSES,
    "/v1/messages": Messages(),
    "/v1/models/{model}:streamGenerateContent": GEMINI_STREAM,
    "/v1/models/{model}:generateContent": GEMINI_WHOLE,
    "/v1beta/models/{model}:streamGenerateContent": GEMINI_STREAM,
    "/v1beta/models/{model}:generateContent": GEMINI_WHOLE,
    "/openai/deployments/{model}/chat/completions": AzureChat(),
    "/openai/v1/chat/completions": CHAT,
    "/openai/v1/responses": RESPONSES,
    "/model/{model}/converse-stream": CONVERSE_STREAM,
    "/model/{model}/converse": CONVERSE,
    "/v1/model/{model}/converse-stream": CONVERSE_STREAM,
    "/v1/model/{model}/converse": CONVERSE,
    "/v1/embeddings": Embeddings(),
    "/v1/rerank": RERANK,
    "/rerank": RERANK,  # TEI's
}
_PATTERNS = [
    (re.compile(re.escape(path).replace(r"\{model\}", "([^/:]+)")), dialect)
    for path, dialect in PATHS.items()
]


def dialect_of(path: str) -> tuple[AnyDialect, str | None] | None:
    """Return the dialect of a path and the model in it, if any; None for an unknown path."""
    for pattern, dialect in _PATTERNS:
        if found := pattern.fullmatch(path):
            return dialect, unquote(found[1]) if found.groups() else None
    return None
