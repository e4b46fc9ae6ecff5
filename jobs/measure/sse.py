"""Server-sent events of a response that has ended, each with the moment at which its last byte came.

By the rules of https://html.spec.whatwg.org/multipage/server-sent-events.html: lines end with CR, LF or both;
a line that begins with a colon is a comment; the data of several lines is joined. An event that the end of
the response leaves without its blank line is kept here, since some servers end so.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def events(parts: Sequence[bytes], times: Sequence[int]) -> Iterator[tuple[int, bytes]]:
    """(moment, data) of each event that has data; `times` are the moments at which the `parts` came.

    Parts may be cut anywhere, within a character or a line's end.
    """
    body = b"".join(parts)
    if b"\r" in body:
        parts = list(_with_plain_line_ends(parts))
        body = b"".join(parts)
    ends = list(accumulate(map(len, parts)))
    text = body.removeprefix(BYTE_ORDER_MARK)
    *blocks, rest = text.split(b"\n\n")
    at, part = len(body) - len(text), 0
    for block in blocks:
        at += len(block) + 2
        while ends[part] < at:
            part += 1
        data = block[6:] if block.startswith(b"data: ") and b"\n" not in block else _data(block)
        if data:
            yield times[part], data
    if data := _data(rest):
        yield times[-1], data


def _with_plain_line_ends(parts: Iterable[bytes]) -> Iterator[bytes]:
    """The parts with LF for each line's end; a CR at a part's end waits for the LF that may follow it."""
    held = b""
    for part in parts:
        whole = held + part
        held = b"\r" if whole.endswith(b"\r") else b""
        yield whole[: len(whole) - len(held)].replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def _data(block: bytes) -> bytes:
    lines = []
    for line in block.split(b"\n"):
        name, _, value = line.partition(b":")
        if name == b"data":
            lines.append(value[1:] if value.startswith(b" ") else value)
    return b"\n".join(lines)
