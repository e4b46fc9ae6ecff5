"""Amazon's event streams: https://smithy.io/2.0/aws/amazon-eventstream.html.

A message is a prelude (its length, that of its headers, a checksum), headers, a payload, and a checksum of
all that. The data of an event is its payload under its type: {"contentBlockDelta": {"delta": {"text": ""}}};
that of an exception or an error is alike, as ErrorData. Headers are decoded by botocore, and most are known
already. botocore can decode whole messages, too, but takes 9 µs for each, and this takes 2 µs.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import accumulate
from struct import Struct
from zlib import crc32

import msgspec

from llm_measure.framing.base import MAX_EVENT_BYTES, MAX_EVENTS, ErrorData, EventLimitError, FramingError

CONTENT_TYPE = "application/vnd.amazon.eventstream"
LENGTHS, CHECKSUM = Struct("!II"), Struct("!I")
PRELUDE_BYTES = LENGTHS.size + CHECKSUM.size
LAST_BYTES = 4 << 10  # in which the last events are looked for, or in somewhat more
MAX_HEADERS_BYTES = 128 << 10  # by the specification
# The header that names an event, by the type of its message.
NAMES = {"event": ":event-type", "exception": ":exception-type", "error": ":error-code"}


def plain_events(parts: Sequence[bytes]) -> None:
    """Return None: events are found as fast wherever the parts are cut."""


def last_events(parts: Sequence[bytes]) -> bytes | None:
    """Return some last parts, the first of which begins with a message, as most parts do."""
    last = b""
    for part in reversed(parts):
        last = part + last
        if len(last) >= LAST_BYTES and _is_prelude(last, 0):
            return last
        if len(last) > 4 * LAST_BYTES:
            break
    return None


def events(parts: Sequence[bytes]) -> Iterator[tuple[int, bytes]]:
    """Yield the data of each event after the number of the part that completes it.

    Parts may be cut anywhere; a message that the response does not complete is left out. Raises FramingError
    if a message is corrupt, EventLimitError if one is too large.
    """
    body, ends = b"".join(parts), list(accumulate(map(len, parts)))
    begin = seen = place = 0
    while message := _message(body, begin):
        headers, payload = message
        begin += PRELUDE_BYTES + len(headers) + len(payload) + CHECKSUM.size
        seen += 1
        if seen > MAX_EVENTS:
            raise EventLimitError(f"events: more than {MAX_EVENTS}; expected at most that")
        place = bisect_left(ends, begin, place)
        name, rest, kind = _described(headers)
        yield place, kind(b"{%b:%b}" % (name, payload or rest))


def _message(body: bytes, begin: int) -> tuple[bytes, bytes] | None:
    """Return headers and payload of the message that begins there; None if the body ends before it does."""
    if begin + PRELUDE_BYTES > len(body):
        return None
    if not _is_prelude(body, begin):
        raise FramingError(f"event: corrupt, wrong checksum of its length at byte {begin}")
    length, headers_length = LENGTHS.unpack_from(body, begin)
    if length > MAX_EVENT_BYTES or headers_length > MAX_HEADERS_BYTES:
        most = f"{MAX_EVENT_BYTES} bytes, {MAX_HEADERS_BYTES} of headers"
        raise EventLimitError(f"event: {length} bytes, {headers_length} of headers; expected at most {most}")
    payload, end = begin + PRELUDE_BYTES + headers_length, begin + length - CHECKSUM.size
    if payload > end:
        raise FramingError(f"event: {length} bytes, {headers_length} of headers; expected more than these")
    if end + CHECKSUM.size > len(body):
        return None
    if crc32(body[begin:end]) != CHECKSUM.unpack_from(body, end)[0]:
        raise FramingError(f"event: corrupt, wrong checksum of its content at byte {begin}")
    return body[begin + PRELUDE_BYTES : payload], body[payload:end]


def _is_prelude(body: bytes, begin: int) -> bool:
    """Return whether lengths with their checksum begin there."""
    end = begin + LENGTHS.size
    return crc32(body[begin:end]) == CHECKSUM.unpack_from(body, end)[0]


@lru_cache(maxsize=64)  # most events have the same headers
def _described(headers: bytes) -> tuple[bytes, bytes, type[bytes]]:
    """Return the event's name and, for lack of a payload, its message, both as JSON, and the kind of data."""
    from botocore.eventstream import EventStreamHeaderParser  # noqa: PLC0415  (it comes with an extra)

    try:
        found = EventStreamHeaderParser().parse(headers)
    except Exception as error:  # of many kinds, by what is wrong with them
        raise FramingError(f"event: corrupt headers: {error}") from None
    kind = found.get(":message-type")
    name = found.get(NAMES.get(kind, ""))
    if not isinstance(name, str):
        raise FramingError(f"event: unknown type {kind!r}; expected one of {', '.join(NAMES)}, with a name")
    message = found.get(":error-message")
    rest = {"message": message} if isinstance(message, str) else {}
    return msgspec.json.encode(name), msgspec.json.encode(rest), bytes if kind == "event" else ErrorData
