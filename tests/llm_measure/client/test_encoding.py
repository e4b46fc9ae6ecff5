import zlib

import pytest

from llm_measure.client.encoding import BARE_DEFLATE, EncodingError, unpacked
from tests.llm_measure.client.measured import CHUNKED, errors, measured
from tests.llm_measure.client.test_response import read
from tests.llm_measure.scripted import chunked, scripted, whole
from tests.llm_measure.streams import DONE, chat

EVENTS = [part.encode() for part in (chat({"content": "a"}), chat({"content": "b"}), chat({}, "stop"), DONE)]
PACKED = {"gzip": 31, "x-gzip": 31, "deflate": 15, "Deflate": BARE_DEFLATE}


def packed(events: list[bytes], wbits: int) -> list[bytes]:
    """Each event packed as a part that can be unpacked when it arrives."""
    packer = zlib.compressobj(wbits=wbits)
    parts = [packer.compress(event) + packer.flush(zlib.Z_SYNC_FLUSH) for event in events]
    return [*parts[:-1], parts[-1] + packer.flush()]


@pytest.mark.parametrize("encoding", PACKED)
def test_a_packed_stream_has_the_moments_of_its_parts(encoding):
    filled = read(*packed(EVENTS, PACKED[encoding]), encoding=encoding.encode())

    assert (filled.error, filled.chunk_offsets_ns) == (None, [100, 200])


def test_a_part_may_end_within_anything():
    stream = b"".join(packed(EVENTS, 31))

    filled = read(*(stream[at : at + 1] for at in range(len(stream))), encoding=b"gzip")

    assert (filled.error, filled.output_tokens) == (None, 2)


def test_a_packed_stream_is_measured():
    head = CHUNKED.replace(b"\r\n\r\n", b"\r\ncontent-encoding: gzip\r\n\r\n")
    with scripted(head, *chunked(*packed(EVENTS, 31)), keep=True) as server:
        assert errors(measured(server.url)) == {None: 2}


def test_a_packed_error_is_read():
    body = zlib.compress(b'{"error": {"message": "no such key"}}')
    with scripted(whole(body, "401 No", "application/json", "content-encoding: deflate")) as server:
        (record, _) = measured(server.url).records

    assert (record.error, record.error_detail) == ("http_4xx", "401: no such key")


@pytest.mark.parametrize(
    ("encoding", "body", "detail"),
    [
        (b"br", b"a", "content encoding 'br': unknown; expected none, gzip or deflate"),
        (b"gzip, br", b"a", "content encoding 'gzip, br': unknown"),
        (b"gzip", b"data: {}", "content encoding 'gzip': broken: "),
    ],
)
def test_what_cannot_be_unpacked_is_malformed_and_named(encoding, body, detail):
    filled = read(body, encoding=encoding)

    assert filled.error == "malformed"
    assert detail in filled.error_detail


def test_identity_is_no_encoding():
    assert read(*EVENTS, encoding=b"identity").error is None


def test_an_unknown_encoding_is_an_error():
    with pytest.raises(EncodingError):
        list(unpacked([b"a"], "zstd"))
