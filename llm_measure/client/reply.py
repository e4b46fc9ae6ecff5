"""What a response says: its text and its calls of tools, which only some workloads need."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import msgspec

from llm_measure.apis import StreamingAPI
from llm_measure.client.exchange import Exchange
from llm_measure.client.tidying import tidied
from llm_measure.framing import FramingError


@dataclass(frozen=True)
class ToolCall:
    """A call of a tool that a response asks for."""

    name: str
    arguments: str  # JSON, unless the model made a mistake


@dataclass(frozen=True)
class Reply:
    """What a response says, without its reasoning."""

    text: str
    tool_calls: tuple[ToolCall, ...] = ()


def reply(exchange: Exchange, api: StreamingAPI) -> Reply:
    """Return what a response says that has been judged, which unpacks it; what cannot be read is left out."""
    texts: list[str] = []
    names: dict[Any, str] = {}
    arguments: dict[Any, list[str]] = {}
    for event in _plain_events(exchange, api) or _events(exchange, api):
        try:
            for piece in api.pieces(event):
                if piece.call is None:
                    texts.append(piece.text)
                else:
                    names[piece.call] = names.get(piece.call) or piece.name
                    arguments.setdefault(piece.call, []).append(piece.arguments)
        except (AttributeError, KeyError, TypeError):  # an event of another shape says nothing
            continue
    calls = (ToolCall(name, "".join(arguments[call])) for call, name in names.items())
    return Reply("".join(texts), tuple(calls))


def _plain_events(exchange: Exchange, api: StreamingAPI) -> list[Any] | None:
    """Return the decoded events if each part of the body is one, as is usual, in half the time; else None."""
    found = api.framing.plain_events(exchange.parts) or []
    try:
        return [_decode(data) for data in found if data != api.end]
    except (ValueError, RecursionError):
        return None


def _events(exchange: Exchange, api: StreamingAPI) -> Iterator[Any]:
    """Yield the decoded events of parts that were cut anywhere, up to the end."""
    with suppress(FramingError):
        for _, data in api.framing.events(exchange.parts):
            if data == api.end:
                return
            yield _decoded(data)


def _decoded(data: bytes) -> Any:
    try:
        return _decode(data)
    except (ValueError, RecursionError):
        with suppress(ValueError, RecursionError):
            return _decode(tidied(data))
    return None


_decode = msgspec.json.Decoder().decode
