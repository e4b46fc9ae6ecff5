"""Rows of a dataset: what an object of a known shape asks."""

from dataclasses import dataclass, field
from typing import Any

from llm_measure.apis.base import Prompt
from llm_measure.load.datasets.files import DatasetError

# What a message of the user says: a text, or OpenAI's parts, such as images.
Content = str | list[Any]
SHAPES = "prompt (text), messages (a list), conversations (ShareGPT) or body (OpenAI batch)"
# ShareGPT's names of who speaks; its files also name the product that answered.
USERS = ("human", "user")
ANSWERERS = ("gpt", "assistant", "chatgpt", "bing", "bard")
SYSTEM = "system"
BATCH_PATH = "/chat/completions"
MAXIMA = ("max_completion_tokens", "max_tokens")


@dataclass(frozen=True, slots=True)
class Row:
    """One prompt or conversation, and the maximum of output tokens if the row sets it."""

    prompt: Prompt
    output_tokens: int | None = None
    turns: tuple[Content, ...] | None = None  # what the user says, one after another; None if only once
    where: str = field(default="", compare=False)  # file and line


def row_of(value: Any, where: str) -> Row | None:
    """Return what the object asks; None for a conversation in which no user speaks. DatasetError."""
    if not isinstance(value, dict):
        raise DatasetError(f"{where}: must be an object with {SHAPES}")
    if "conversations" in value:
        return _shared_conversation(value["conversations"], where)
    if "body" in value:
        return _batch_request(value, where)
    tokens = _tokens(value, "output_tokens", where)
    if isinstance(messages := value.get("messages"), list) and messages:
        return Row(messages, tokens, _turns(messages, where), where)
    if not isinstance(prompt := value.get("prompt"), str):
        raise DatasetError(f"{where}: must be an object with {SHAPES}")
    return Row(prompt, tokens, None, where)


def _batch_request(value: dict[str, Any], where: str) -> Row:
    """Return the messages and the maximum of a line of OpenAI's batch files."""
    url, body = value.get("url"), value["body"]
    if not (isinstance(url, str) and url.endswith(BATCH_PATH)):
        raise DatasetError(f"{where}: url={url!r}: another API; expected one that ends with {BATCH_PATH}")
    messages = body.get("messages") if isinstance(body, dict) else None
    if not (isinstance(messages, list) and messages):
        raise DatasetError(f"{where}: body: must be an object with messages (a list)")
    maximum = next((name for name in MAXIMA if body.get(name) is not None), MAXIMA[0])
    return Row(messages, _tokens(body, maximum, where), _turns(messages, where), where)


def _shared_conversation(conversation: Any, where: str) -> Row | None:
    """Return what the user says first, after any instructions of the system, and all that is said later."""
    if not isinstance(conversation, list):
        raise DatasetError(f"{where}: conversations: must be a list")
    turns: list[str] = []
    instructions: list[dict[str, Any]] = []
    for each in conversation:
        who, text = (each.get("from"), each.get("value")) if isinstance(each, dict) else (None, None)
        if who not in (*USERS, *ANSWERERS, SYSTEM):
            expected = ", ".join((*USERS, *ANSWERERS, SYSTEM))
            raise DatasetError(f"{where}: from={who!r}: unknown; expected one of {expected}")
        if not isinstance(text, str):
            raise DatasetError(f"{where}: value: must be a text")
        if who in USERS:
            turns.append(text)
        elif who == SYSTEM and not turns:
            instructions.append({"role": SYSTEM, "content": text})
    if not turns:
        return None
    asked = {"role": "user", "content": turns[0]}
    prompt: Prompt = [*instructions, asked] if instructions else turns[0]
    return Row(prompt, None, tuple(turns) if len(turns) > 1 else None, where)


def _turns(messages: list[Any], where: str) -> tuple[Content, ...] | None:
    """Return what the user says in the messages; None if that is one message at most."""
    turns = []
    for message in messages:
        if not (isinstance(message, dict) and isinstance(message.get("role"), str)):
            raise DatasetError(f"{where}: messages: must be objects with a role (text)")
        if message["role"] == "user":
            if not isinstance(content := message.get("content"), str | list):
                raise DatasetError(f"{where}: content: must be a text or a list of parts")
            turns.append(content)
    return tuple(turns) if len(turns) > 1 else None


def _tokens(value: dict[str, Any], name: str, where: str) -> int | None:
    tokens = value.get(name)
    if tokens is not None and (not isinstance(tokens, int) or isinstance(tokens, bool) or tokens < 1):
        raise DatasetError(f"{where}: {name}={tokens!r}: must be a whole number of at least 1")
    return tokens
