"""What a response says: its text and its calls of tools, which only some workloads need."""

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
    with suppress(FramingError):
        for _, data in api.framing.events(exchange.parts):
            if data == api.end:
                break
            event = _decoded(data)
            with suppress(AttributeError, KeyError, TypeError):  # an event of another shape says nothing
                for piece in api.pieces(event):
                    if piece.call is None:
                        texts.append(piece.text)
                    else:
                        names[piece.call] = names.get(piece.call) or piece.name
                        arguments.setdefault(piece.call, []).append(piece.arguments)
    calls = (ToolCall(name, "".join(arguments[call])) for call, name in names.items())
    return Reply("".join(texts), tuple(calls))


def _decoded(data: bytes) -> Any:
    for read in (bytes, tidied):
        with suppress(ValueError, RecursionError):
            return msgspec.json.decode(read(data))
    return None
