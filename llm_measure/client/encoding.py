"""Content encodings: none is asked for, yet some servers and gateways compress a stream anyway."""

import zlib
from collections.abc import Iterator, Sequence

from llm_measure.client.limits import MAX_RESPONSE_BYTES, MIB

# Of zlib: gzip and zlib by their header, and deflate without one, as some servers send it.
BY_HEADER, BARE_DEFLATE = 47, -15


class EncodingError(ValueError):
    """The encoding is unknown, broken or unpacks to more than the limit; the message names it."""


def unpacked(parts: Sequence[bytes], encoding: str) -> Iterator[bytes]:
    """Yield what each part of a body holds, which may be nothing, so that its moment stays with it.

    Raises EncodingError.
    """
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise EncodingError(f"content encoding {encoding!r}: unknown; expected none, gzip or deflate")
    is_bare = encoding == "deflate" and b"".join(parts[:2])[:1] not in (b"\x78", b"")
    unpacker, left = zlib.decompressobj(BARE_DEFLATE if is_bare else BY_HEADER), MAX_RESPONSE_BYTES
    try:
        for part in parts:
            content = unpacker.decompress(part, left + 1)
            left -= len(content)
            if left < 0:
                raise EncodingError(
                    f"content encoding {encoding!r}: more than {MAX_RESPONSE_BYTES // MIB} MiB unpacked;"
                    " expected a smaller response"
                )
            yield content
    except zlib.error as error:
        raise EncodingError(f"content encoding {encoding!r}: broken: {error}") from None
