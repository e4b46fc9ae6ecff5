"""Server-sent events of a response that has ended, each with the moment at which its last byte came.

By the rules of https://html.spec.whatwg.org/multipage/server-sent-events.html: lines end with CR, LF or both;
a line that begins with a colon is a comment; the data of several lines is joined. An event that the end of
the response leaves without its blank line is kept here, since some servers end so.
"""

from collections.abc import Iterable, Iterator, Sequence

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def plain_events(parts: Sequence[bytes]) -> list[bytes] | None:
    """The data of each part, if each seems to be one event of one line, as nearly always; else None.

    That takes a fraction of the time. A line's end within the data is not looked for: a decoder of JSON will
    find it, unless it stands where JSON has spaces and no harm is done.
    """
    found = [part[6:-2] for part in parts]
    return found if b"data: %b\n\n" % b"\n\ndata: ".join(found) == b"".join(parts) else None


def events(parts: Sequence[bytes], times: Sequence[int]) -> Iterator[tuple[int, bytes]]:
    """(moment, data) of each event that has data; the body came in these parts at these times.

    Parts may be cut anywhere, within a character or a line's end.
    """
    rest = b""
    for part, moment in zip(_with_plain_line_ends(parts), times, strict=True):
        *blocks, rest = (rest + part).split(b"\n\n")
        for block in blocks:
            if data := _data(block):
                yield moment, data
    if data := _data(rest):
        yield times[-1], data


def _with_plain_line_ends(parts: Sequence[bytes]) -> Iterable[bytes]:
    """The parts with LF for each line's end; a CR at a part's end waits for the LF that may follow it."""
    if not any(b"\r" in part for part in parts):
        return parts
    plain, held = [], b""
    for part in parts:
        whole = held + part
        held = b"\r" if whole.endswith(b"\r") else b""
        plain.append(whole[: len(whole) - len(held)].replace(b"\r\n", b"\n").replace(b"\r", b"\n"))
    return plain


def _data(block: bytes) -> bytes:
    lines = []
    for line in block.removeprefix(BYTE_ORDER_MARK).split(b"\n"):
        name, _, value = line.partition(b":")
        if name == b"data":
            lines.append(value[1:] if value.startswith(b" ") else value)
    return b"\n".join(lines)
