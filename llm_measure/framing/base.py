"""What a framing is to the rest, and the limits that each keeps."""

from collections.abc import Iterator, Sequence
from typing import Protocol

MAX_EVENT_BYTES = 8 << 20
MAX_EVENTS = 1_000_000  # of one response, empty ones included


class FramingError(ValueError):
    """The bytes of a body are no events; the message says what is wrong."""


class EventLimitError(FramingError):
    """An event is too large, or there are too many of them."""


class ErrorData(bytes):
    """The data of an event that is named as an error."""


class Framing(Protocol):
    """One way to frame the events of a stream, as a module has it. Parts may be cut anywhere."""

    CONTENT_TYPE: str  # that requests accept, and that responses have

    def plain_events(self, parts: Sequence[bytes]) -> list[bytes] | None:
        """Return the data of each part if each seems to be one event, as is usual; None otherwise."""

    def last_events(self, parts: Sequence[bytes]) -> bytes | None:
        """Return a part of what these last parts hold that begins with an event; None if none is found."""

    def events(self, parts: Sequence[bytes]) -> Iterator[tuple[int, bytes]]:
        """Yield the data of each event after the number of the part that completes it; FramingError."""
