"""Server-sent events of a response that has ended, each with the moment at which its last byte came.

By the rules of https://html.spec.whatwg.org/multipage/server-sent-events.html: lines end with CR, LF or both;
a line that begins with a colon is a comment; the data of several lines is joined. An event that the end of
the response leaves without its blank line is kept here, since some servers end so.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, pairwise

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def events(body: bytes, sizes: Sequence[int], times: Sequence[int]) -> Iterable[tuple[int, bytes]]:
    """(moment, data) of each event that has data; the body came in parts of these `sizes` at these `times`.

    Parts may be cut anywhere, within a character or a line's end.
    """
    plain = _one_a_part(body, sizes)
    return _of_any_parts(body, sizes, times) if plain is None else zip(times, plain, strict=True)


def _one_a_part(body: bytes, sizes: Sequence[int]) -> list[bytes] | None:
    """The data, if each part is one event of one line of data, as nearly always; a fraction of the time."""
    if not (body.startswith(b"data: ") and body.endswith(b"\n\n")) or b"\r" in body:
        return None
    found = body[6:-2].split(b"\n\ndata: ")
    alike = body.count(b"\n") == 2 * len(found) and [len(data) + 8 for data in found] == sizes
    return found if alike and all(found) else None


def _of_any_parts(body: bytes, sizes: Sequence[int], times: Sequence[int]) -> Iterator[tuple[int, bytes]]:
    rest = b""
    ends = list(accumulate(sizes, initial=0))
    parts = [body[begin:end] for begin, end in pairwise(ends)]
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
