"""The parser of capture files, on captures whose packets are known."""

import struct

import pytest

from bench.wire.pcap import CaptureError, exchanges
from tests.bench.wire.packets import CLIENT, SERVER, Capture

SECOND = 1_000_000_000


@pytest.fixture
def capture():
    capture = Capture()
    capture.open(at=SECOND)
    return capture


def read(capture, folder, port=SERVER):
    return exchanges(capture.write(folder), port)


def test_each_byte_of_a_response_has_the_time_of_its_packet(capture, tmp_path):
    capture.request(2 * SECOND, b"ask")
    capture.response(3 * SECOND + 1, b"ab")
    capture.response(3 * SECOND + 2, b"c")

    (exchange,) = read(capture, tmp_path)

    assert (exchange.sent_ns, exchange.request, exchange.response) == (2 * SECOND, b"ask", b"abc")
    assert [exchange.arrived_ns(offset) - 3 * SECOND for offset in range(3)] == [1, 1, 2]


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize(("magic", "unit"), [(0xA1B2C3D4, 1000), (0xA1B23C4D, 1)])
def test_captures_of_any_byte_order_and_resolution_are_read(order, magic, unit, tmp_path):
    capture = Capture(order, magic)
    capture.open(at=SECOND)
    capture.request(SECOND + 123_456_789, b"ask")
    capture.response(2 * SECOND, b"answer")

    (exchange,) = read(capture, tmp_path)

    assert exchange.sent_ns == SECOND + 123_456_789 // unit * unit


def test_a_request_in_two_packets_is_sent_with_the_first(capture, tmp_path):
    capture.request(2 * SECOND, b"a")
    capture.request(3 * SECOND, b"sk")
    capture.response(4 * SECOND, b"answer")

    (exchange,) = read(capture, tmp_path)

    assert (exchange.sent_ns, exchange.request) == (2 * SECOND, b"ask")


def test_requests_on_one_connection_and_on_several_are_separate(capture, tmp_path):
    capture.open(at=SECOND, client=CLIENT + 1)
    capture.request(2 * SECOND, b"one")
    capture.request(3 * SECOND, b"other", client=CLIENT + 1)
    capture.response(4 * SECOND, b"OTHER", client=CLIENT + 1)
    capture.response(5 * SECOND, b"ONE")
    capture.request(6 * SECOND, b"two")
    capture.response(7 * SECOND, b"TWO")

    found = [(bytes(each.request), bytes(each.response)) for each in read(capture, tmp_path)]

    assert found == [(b"one", b"ONE"), (b"other", b"OTHER"), (b"two", b"TWO")]


def test_a_request_without_a_response_is_left_out(capture, tmp_path):
    capture.request(2 * SECOND, b"ask")
    capture.open(at=3 * SECOND)
    capture.request(4 * SECOND, b"ask")
    capture.response(5 * SECOND, b"answer")

    assert [each.sent_ns for each in read(capture, tmp_path)] == [4 * SECOND]


def test_other_ports_are_left_out(capture, tmp_path):
    capture.request(2 * SECOND, b"ask")
    capture.response(3 * SECOND, b"answer")

    assert read(capture, tmp_path, port=SERVER + 1) == []


def test_bytes_that_come_again_count_once(capture, tmp_path):
    capture.request(2 * SECOND, b"ask")
    capture.response(3 * SECOND, b"abc")
    capture.again(4 * SECOND, b"bcd", back=2)

    (exchange,) = read(capture, tmp_path)

    assert exchange.response == b"abcd"
    assert [exchange.arrived_ns(offset) // SECOND for offset in range(4)] == [3, 3, 3, 4]


def test_sequence_numbers_begin_again_after_the_last(tmp_path):
    capture = Capture()
    capture.open(at=SECOND, sequence=(1 << 32) - 4)
    capture.request(2 * SECOND, b"ask")
    for _ in range(3):
        capture.response(3 * SECOND, b"ab")

    (exchange,) = read(capture, tmp_path)

    assert exchange.response == b"ababab"


def test_missing_bytes_are_an_error(capture, tmp_path):
    capture.request(2 * SECOND, b"ask")
    capture.response(3 * SECOND, b"ab")
    capture.lose(5)
    capture.response(4 * SECOND, b"cd")

    with pytest.raises(CaptureError, match="5 bytes before a packet are missing"):
        read(capture, tmp_path)


def test_a_last_packet_that_is_cut_off_is_left_out(capture, tmp_path):
    capture.request(2 * SECOND, b"ask")
    capture.response(3 * SECOND, b"ab")
    capture.response(4 * SECOND, b"cd")
    capture.content = capture.content[:-1]

    (exchange,) = read(capture, tmp_path)

    assert exchange.response == b"ab"


def test_a_packet_that_was_not_kept_whole_is_an_error(capture, tmp_path):
    capture.content += struct.pack("<IIII", 1, 0, 60, 1500) + bytes(60)

    with pytest.raises(CaptureError, match="a packet of 1500 bytes was cut to 60"):
        read(capture, tmp_path)


@pytest.mark.parametrize("content", [b"", bytes(24), b"not a capture, but a text"])
def test_other_files_are_an_error(content, tmp_path):
    path = tmp_path / "capture.pcap"
    path.write_bytes(content)

    with pytest.raises(CaptureError, match="expected"):
        exchanges(path, SERVER)


def test_a_capture_of_other_links_is_an_error(tmp_path):
    with pytest.raises(CaptureError, match="link type 113; expected 1"):
        read(Capture(link=113), tmp_path)
