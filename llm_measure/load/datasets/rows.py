"""Rows of a dataset: what an object of a known shape asks."""

from dataclasses import dataclass, field
from typing import Any

from llm_measure.apis.base import Prompt
from llm_measure.load.datasets.files import TOKENS, DatasetError, check_name

# What a message of the user says: a text, or OpenAI's parts, such as images.
Content = str | list[Any]
SHAPES = {
    "prompt": "prompt (text)",
    "messages": "messages (a list)",
    "conversations": "conversations (ShareGPT)",
    "body": "or body (OpenAI batch)",
}
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
    given = [name for name in SHAPES if value.get(name) is not None] if isinstance(value, dict) else []
    if not given:
        raise DatasetError(f"{where}: must be an object with {', '.join(SHAPES.values())}")
    if len(given) > 1:
        raise DatasetError(f"{where}: {' and '.join(given)}: expected one of them")
    if given == ["conversations"]:
        return _shared_conversation(value["conversations"], where)
    if given == ["body"]:
        return _batch_request(value, where)
    for name in value:
        check_name(name, where)
    tokens = _tokens(value, TOKENS, where)
    if given == ["messages"]:
        messages = _messages(value, where)
        return Row(messages, tokens, _turns(messages, where), where)
    if not isinstance(prompt := value["prompt"], str):
        raise DatasetError(f"{where}: prompt: must be a text")
    if not prompt.strip():
        raise DatasetError(f"{where}: prompt: empty; expected a text")
    return Row(prompt, tokens, None, where)


def _messages(value: Any, where: str) -> list[Any]:
    """Return the messages of the object."""
    messages = value.get("messages") if isinstance(value, dict) else None
    if not isinstance(messages, list):
        raise DatasetError(f"{where}: messages: must be a list")
    if not messages:
        raise DatasetError(f"{where}: messages: empty; expected at least one")
    return messages


def _batch_request(value: dict[str, Any], where: str) -> Row:
    """Return the messages and the maximum of a line of OpenAI's batch files."""
    url, body = value.get("url"), value["body"]
    if not (isinstance(url, str) and url.endswith(BATCH_PATH)):
        raise DatasetError(f"{where}: url={url!r}: another API; expected one that ends with {BATCH_PATH}")
    messages = _messages(body, f"{where}: body")
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
