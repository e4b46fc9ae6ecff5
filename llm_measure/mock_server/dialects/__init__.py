"""The APIs in which the mock server answers, one per path."""

from llm_measure.mock_server.dialects.anthropic import Messages
from llm_measure.mock_server.dialects.base import Counts, Dialect
from llm_measure.mock_server.dialects.openai import Chat, Completions

__all__ = ["CHAT", "DIALECTS", "Counts", "Dialect"]

CHAT = Chat()
DIALECTS: dict[bytes, Dialect] = {
    b"/v1/chat/completions": CHAT,
    b"/v1/completions": Completions(),
    b"/v1/messages": Messages(),
}
