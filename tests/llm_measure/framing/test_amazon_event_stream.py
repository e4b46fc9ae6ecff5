"""Amazon's event streams, as botocore decodes them."""

import json
from struct import pack
from time import process_time
from zlib import crc32

import pytest
from botocore.eventstream import EventStreamBuffer

from llm_measure.framing import ErrorData, EventLimitError, FramingError, amazon_event_stream
from llm_measure.framing.base import MAX_EVENT_BYTES
from tests.llm_measure.event_streams import event, exception, header, message

MESSAGES = [
    event("messageStart", role="assistant"),
    event("contentBlockDelta", delta={"text": "é€😀"}, contentBlockIndex=0),
    event("messageStop", stopReason="end_turn"),
]
DATA = [
    {"messageStart": {"role": "assistant"}},
    {"contentBlockDelta": {"delta": {"text": "é€😀"}, "contentBlockIndex": 0}},
    {"messageStop": {"stopReason": "end_turn"}},
]
BODY = b"".join(MESSAGES)


def found(parts: list[bytes]) -> list[tuple[int, object]]:
    return [(place, json.loads(data)) for place, data in amazon_event_stream.events(parts)]


def prelude(length: int, headers_length: int) -> bytes:
    lengths = pack("!II", length, headers_length)
    return lengths + pack("!I", crc32(lengths))


def test_the_payload_of_an_event_is_under_its_type():
    assert found(MESSAGES) == list(enumerate(DATA))
    assert found([]) == found([b""]) == []


def test_every_split_in_two_gives_the_same_events_with_the_part_of_their_last_byte():
    ends = [len(b"".join(MESSAGES[: number + 1])) for number in range(len(MESSAGES))]

    for cut in range(len(BODY) + 1):
        assert found([BODY[:cut], b"", BODY[cut:]]) == [
            (0 if end <= cut else 2, data) for end, data in zip(ends, DATA, strict=True)
        ]


def test_each_byte_may_arrive_separately():
    parts = [BODY[at : at + 1] for at in range(len(BODY))]

    assert [data for _, data in found(parts)] == DATA
    assert found(parts)[-1][0] == len(parts) - 1


def test_a_message_that_the_response_does_not_complete_is_left_out():
    for cut in range(len(MESSAGES[2])):
        assert found([b"".join(MESSAGES[:2]) + MESSAGES[2][:cut]]) == [(0, data) for data in DATA[:2]]


def test_any_damaged_byte_is_found_as_botocore_finds_it():
    for at in range(len(BODY)):
        damaged = BODY[:at] + bytes([BODY[at] ^ 1]) + BODY[at + 1 :]
        buffer = EventStreamBuffer()
        buffer.add_data(damaged)

        with pytest.raises(Exception, match="Checksum mismatch"):
            list(buffer)
        with pytest.raises(FramingError, match="event: corrupt, wrong checksum"):
            found([damaged])


def test_an_exception_is_an_error_under_its_type():
    body = exception("throttlingException", message="Slow down.")
    ((place, data),) = amazon_event_stream.events([body])

    assert (place, json.loads(data)) == (0, {"throttlingException": {"message": "Slow down."}})
    assert isinstance(data, ErrorData)


def test_an_error_without_a_payload_has_its_message_from_its_header():
    headers = (header(":message-type", b"error") + header(":error-code", b"Broken")
               + header(":error-message", b'It "broke"'))  # fmt: skip
    ((_, data),) = amazon_event_stream.events([message(headers, b"")])

    assert json.loads(data) == {"Broken": {"message": 'It "broke"'}}
    assert isinstance(data, ErrorData)


def test_headers_of_any_type_are_read():
    more = (b"\x01t\x00" + b"\x01f\x01" + b"\x01b\x02\xff" + b"\x01s\x03\xff\xff" + b"\x01i\x04" + b"\xff" * 4
            + b"\x01l\x05" + b"\xff" * 8 + header("y", b"\x00", kind=6) + b"\x01d\x08" + b"\x00" * 8
            + b"\x01u\x09" + b"\x00" * 16)  # fmt: skip
    headers = more + header(":event-type", b"x") + header(":message-type", b"event")

    assert found([message(headers, b"")]) == [(0, {"x": {}})]


@pytest.mark.parametrize(
    "headers",
    [
        b"",
        header(":message-type", b"event"),
        header(":message-type", b"other") + header(":event-type", b"x"),
        header(":message-type", b"event") + header(":event-type", b"x", kind=6),
        header(":message-type", b"event") * 2 + header(":event-type", b"x"),
        b"\x01a\x0a",
        b"\x02\xff\xff\x00",
        header(":message-type", b"event") + b"\x05a",
    ],
    ids=["none", "no name", "unknown type", "name of bytes", "twice", "unknown kind", "no text", "cut off"],
)
def test_headers_that_name_no_event_are_corrupt(headers):
    with pytest.raises(FramingError, match=r"event: (corrupt headers|unknown type)"):
        found([message(headers, b"{}")])


def test_a_length_of_gigabytes_is_refused_before_anything_is_allocated():
    for length, headers_length in ((1 << 32) - 1, 0), (MAX_EVENT_BYTES + 1, 0), (1 << 20, 1 << 18):
        with pytest.raises(EventLimitError, match="expected at most 8388608 bytes, 131072 of headers"):
            found([prelude(length, headers_length)])


def test_a_length_without_room_for_the_headers_is_corrupt():
    for length in (0, 12, 16 + 4):
        with pytest.raises(FramingError, match=f"event: {length} bytes, 5 of headers"):
            found([prelude(length, 5) + b"\x00" * 20])


def test_more_events_than_the_limit_are_refused(monkeypatch):
    monkeypatch.setattr(amazon_event_stream, "MAX_EVENTS", 2)

    with pytest.raises(EventLimitError, match="more than 2"):
        found(MESSAGES)


def test_decoding_a_large_response_takes_time_by_its_size():
    small, large = [BODY * 1000], [BODY * 10_000]
    times = []
    for parts in (small, large):
        begun = process_time()
        assert sum(1 for _ in amazon_event_stream.events(parts)) == len(parts[0]) // len(BODY) * 3
        times.append(process_time() - begun)

    assert times[1] < 40 * times[0]


def test_the_last_events_begin_with_a_part_that_begins_with_one():
    parts = [BODY[:-5], *MESSAGES * 100]
    last = amazon_event_stream.last_events(parts)

    assert 4096 <= len(last) < 4096 + len(BODY)
    assert b"".join(parts).endswith(last)
    assert found([last])[-1] == (0, DATA[-1])


@pytest.mark.parametrize("parts", [[], MESSAGES, [BODY[:9], BODY[9:] * 100], [b"x" * 4096] * 5])
def test_where_no_part_begins_with_a_message_the_last_events_are_not_found(parts):
    assert amazon_event_stream.last_events(parts) is None
