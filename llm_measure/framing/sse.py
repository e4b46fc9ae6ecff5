"""Server-sent events of a complete response, each with the part in which its last byte arrived.

By the rules of https://html.spec.whatwg.org/multipage/server-sent-events.html: lines end with CR, LF or both;
a line that begins with a colon is a comment; the data of several lines is joined. Unlike there, an event
without its closing blank line at the end of the response counts, since some servers end that way.
"""

import re
from collections.abc import Iterable, Iterator, Sequence

from llm_measure.framing.base import MAX_EVENT_BYTES, MAX_EVENTS, ErrorData, EventLimitError

CONTENT_TYPE = "text/event-stream"
LAST_BYTES = 16 << 10  # in which the last events are looked for
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def plain_events(parts: Sequence[bytes]) -> list[bytes] | None:
    """Return the data of each part if each seems to be one event of one line, as most are, else None.

    This takes a fraction of the time of `events`. A line end within the data goes unnoticed here: a JSON
    decoder finds it, except between JSON's tokens, where it does no harm.
    """
    found = [part[6:-2] for part in parts]
    return found if b"data: %b\n\n" % b"\n\ndata: ".join(found) == b"".join(parts) else None


def last_events(parts: Sequence[bytes]) -> bytes | None:
    """Return what follows the first blank line of the last bytes; None without one."""
    last = b"".join(parts)[-LAST_BYTES:]
    found = re.search(rb"\n\n|\r\n\r\n", last)
    return last[found.end() :] if found else None


def events(parts: Sequence[bytes]) -> Iterator[tuple[int, bytes]]:
    """Yield the data of each event that has any, after the number of the part that completes it.

    Parts may be cut anywhere, within a character or a line end. Raises EventLimitError.
    """
    seen, rest = 0, bytearray()  # which grows in place, since an event may come in a million parts
    for number, part in enumerate(_with_plain_line_ends(parts)):
        is_whole = not rest and part.endswith(b"\n\n")  # as most parts are
        blocks = part[:-2].split(b"\n\n") if is_whole else _completed(rest, part)
        seen += len(blocks)
        for block in blocks:
            if data := _data(block):
                yield number, data
        if len(rest) > MAX_EVENT_BYTES:
            raise EventLimitError(f"event: more than {MAX_EVENT_BYTES} bytes; expected at most that")
        if seen > MAX_EVENTS:
            raise EventLimitError(f"events: more than {MAX_EVENTS}; expected at most that")
    if data := _data(bytes(rest)):
        yield len(parts) - 1, data


def _completed(rest: bytearray, part: bytes) -> list[bytes]:
    """Add the part to the rest, and return the blocks that it completes, which leave the rest."""
    begin = max(len(rest) - 1, 0)
    rest += part
    end = rest.rfind(b"\n\n", begin)
    if end < 0:
        return []
    blocks = bytes(rest[:end]).split(b"\n\n")
    del rest[: end + 2]
    return blocks


def _with_plain_line_ends(parts: Sequence[bytes]) -> Iterable[bytes]:
    """Return the parts with LF line ends; a CR at a part's end waits for the LF that may follow it."""
    if not any(b"\r" in part for part in parts):
        return parts
    plain, held = [], b""
    for part in parts:
        whole = held + part
        held = b"\r" if whole.endswith(b"\r") else b""
        plain.append(whole[: len(whole) - len(held)].replace(b"\r\n", b"\n").replace(b"\r", b"\n"))
    return plain


def _data(block: bytes) -> bytes:
    if block.startswith(b"data: ") and b"\n" not in block:  # as most blocks do
        return block[6:]
    lines, kind = [], bytes
    for line in block.removeprefix(BYTE_ORDER_MARK).split(b"\n"):
        name, _, value = line.partition(b":")
        if name == b"data":
            lines.append(value[1:] if value.startswith(b" ") else value)
        elif name == b"event" and value.strip() == b"error":
            kind = ErrorData
    return kind(b"\n".join(lines))
