"""Amazon's event streams, written by their specification: https://smithy.io/2.0/aws/amazon-eventstream.html."""

import json
from struct import pack
from zlib import crc32

from llm_measure.client.exchange import Exchange
from tests.llm_measure.streams import exchange

CONTENT_TYPE = "application/vnd.amazon.eventstream"


def header(name: str, value: bytes, kind: int = 7) -> bytes:
    """A header whose value has a length: of type 7, a string, or 6, bytes."""
    return bytes([len(name)]) + name.encode() + bytes([kind]) + pack("!H", len(value)) + value


def message(headers: bytes, payload: bytes) -> bytes:
    lengths = pack("!II", 16 + len(headers) + len(payload), len(headers))
    content = lengths + pack("!I", crc32(lengths)) + headers + payload
    return content + pack("!I", crc32(content))


def event(name: str, **content: object) -> bytes:
    """An event as Bedrock sends it."""
    headers = (header(":event-type", name.encode()) + header(":content-type", b"application/json")
               + header(":message-type", b"event"))  # fmt: skip
    return message(headers, json.dumps(content, ensure_ascii=False).encode())


def exception(name: str, **content: object) -> bytes:
    """An exception in the middle of a stream."""
    headers = (header(":exception-type", name.encode()) + header(":content-type", b"application/json")
               + header(":message-type", b"exception"))  # fmt: skip
    return message(headers, json.dumps(content).encode())


def arrived(parts: list[bytes]) -> Exchange:
    """The exchange of a response whose parts arrived at 1, 2 and so on."""
    made = exchange(parts, list(range(1, len(parts) + 1)))
    made.content_type = CONTENT_TYPE.encode()
    return made
