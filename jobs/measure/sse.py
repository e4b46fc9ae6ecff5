"""Server-sent events of a response that has ended, each with the moment at which its last byte came.

By the rules of https://html.spec.whatwg.org/multipage/server-sent-events.html: lines end with CR, LF or both;
a line that begins with a colon is a comment; the data of several lines is joined. An event that the end of
the response leaves without its blank line is kept here, since some servers end so.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import accumulate

# A line's end and the blank line after it; atomic, so that a CRLF never counts as two ends.
EVENT_END = re.compile(rb"(?>\r\n|\n|\r)(?>\r\n|\n|\r)")
LINE_END = re.compile(rb"\r\n|\n|\r")
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def events(parts: Sequence[bytes], times: Sequence[int]) -> Iterator[tuple[int, bytes]]:
    """(moment, data) of each event that has data; `times` are the moments at which the `parts` came.

    Parts may be cut anywhere, within a character or a line's end.
    """
    body = b"".join(parts)
    ends = list(accumulate(map(len, parts)))
    at = begin = len(BYTE_ORDER_MARK) if body.startswith(BYTE_ORDER_MARK) else 0
    part = 0
    for end in EVENT_END.finditer(body, at):
        data = _data(body[begin : end.start()])
        begin = end.end()
        while ends[part] < begin:
            part += 1
        if data:
            yield times[part], data
    data = _data(body[begin:])
    if data:
        yield times[-1], data


def _data(block: bytes) -> bytes:
    if block.startswith(b"data: ") and b"\n" not in block and b"\r" not in block:
        return block[6:]
    lines = []
    for line in LINE_END.split(block):
        name, _, value = line.partition(b":")
        if name == b"data":
            lines.append(value[1:] if value.startswith(b" ") else value)
    return b"\n".join(lines)
