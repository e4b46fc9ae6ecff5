"""Packets of a capture file, and the HTTP exchanges in them, each byte with the kernel's time of its packet.

Reads what tcpdump writes on loopback: Ethernet, IPv4 and TCP in a pcap file, see
https://wiki.wireshark.org/Development/LibpcapFileFormat. Shares no code with the client that it checks.
"""

import struct
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

UNITS = {0xA1B2C3D4: 1000, 0xA1B23C4D: 1}  # ns of a fraction of a second, by the file's magic number
FILE_HEADER, PACKET_HEADER, ETHERNET_HEADER = 24, 16, 14
ETHERNET, IPV4, TCP = 1, 0x0800, 6
SYN = 2
HALF, WHOLE = 1 << 31, 1 << 32  # of the circle of sequence numbers


class CaptureError(ValueError):
    """The capture cannot be read, or lacks packets."""


@dataclass(frozen=True)
class Segment:
    """One TCP segment of a connection to a server."""

    time_ns: int  # since the epoch, by the kernel's clock
    client: tuple[bytes, int]  # address and port
    from_client: bool
    sequence: int
    opens: bool
    data: bytes


@dataclass
class Exchange:
    """One request and its response."""

    sent_ns: int  # when the first packet of the request left
    request: bytes
    response: bytearray = field(default_factory=bytearray)
    _ends: list[int] = field(default_factory=list)  # of each packet in the response
    _times: list[int] = field(default_factory=list)

    def add(self, time_ns: int, data: bytes) -> None:
        """Add a packet to the response."""
        self.response += data
        self._ends.append(len(self.response))
        self._times.append(time_ns)

    def arrived_ns(self, offset: int) -> int:
        """Return when the response's byte at this offset came."""
        return self._times[bisect_right(self._ends, offset)]


def exchanges(path: Path, port: int) -> list[Exchange]:
    """Return the exchanges with the server at this port, in the order in which they were sent.

    Whatever a client sends after a response has begun is the next request. A request without a response is
    left out: the client sends it again when the server has closed the connection. Raises CaptureError.
    """
    found: list[Exchange] = []
    current: dict[tuple[bytes, int], Exchange] = {}
    expected: dict[tuple[tuple[bytes, int], bool], int] = {}  # next sequence number of each direction
    for segment in segments(path, port):
        direction = (segment.client, segment.from_client)
        if segment.opens:
            expected[direction] = (segment.sequence + 1) % WHOLE
            current.pop(segment.client, None)
            continue
        if not (segment.data and (data := _new_data(segment, expected.get(direction, segment.sequence)))):
            continue
        expected[direction] = (segment.sequence + len(segment.data)) % WHOLE
        exchange = current.get(segment.client)
        if not segment.from_client:
            if exchange:
                exchange.add(segment.time_ns, data)
        elif exchange and not exchange.response:
            exchange.request += data
        else:
            current[segment.client] = Exchange(segment.time_ns, data)
            found.append(current[segment.client])
    return [exchange for exchange in found if exchange.response]


def segments(path: Path, port: int) -> Iterator[Segment]:
    """Yield the TCP segments from and to this port; a last packet that is cut off is left out."""
    for time_ns, frame in _packets(path):
        packet = frame[ETHERNET_HEADER:]
        if struct.unpack_from(">H", frame, 12)[0] != IPV4 or packet[9] != TCP:
            continue
        (total,) = struct.unpack_from(">H", packet, 2)
        segment = packet[(packet[0] & 15) * 4 : total or None]
        source, destination, sequence = struct.unpack_from(">HHI", segment)
        if port not in (source, destination):
            continue
        from_client = destination == port
        client = (packet[12:16], source) if from_client else (packet[16:20], destination)
        begin = (segment[12] >> 4) * 4
        yield Segment(time_ns, client, from_client, sequence, bool(segment[13] & SYN), segment[begin:])


def _packets(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield the time and the frame of each packet."""
    content = path.read_bytes()
    if len(content) < FILE_HEADER:
        raise CaptureError(f"{path}: no capture; expected a pcap file")
    order = next((order for order in "<>" if struct.unpack_from(f"{order}I", content)[0] in UNITS), None)
    if order is None:
        raise CaptureError(f"{path}: unknown format; expected pcap")
    magic, *_, link = struct.unpack_from(f"{order}I16xI", content)
    if link != ETHERNET:
        raise CaptureError(f"{path}: link type {link}; expected {ETHERNET}, Ethernet")
    at = FILE_HEADER
    while at + PACKET_HEADER <= len(content):
        second, fraction, kept, length = struct.unpack_from(f"{order}IIII", content, at)
        at += PACKET_HEADER
        if at + kept > len(content):
            return
        if kept < length:
            raise CaptureError(f"{path}: a packet of {length} bytes was cut to {kept}; expected it whole")
        yield second * 1_000_000_000 + fraction * UNITS[magic], content[at : at + kept]
        at += kept


def _new_data(segment: Segment, expected: int) -> bytes:
    """Return the segment's data without what came before; CaptureError if something before it is missing."""
    known = (expected - segment.sequence) % WHOLE
    if known >= HALF:
        raise CaptureError(f"{WHOLE - known} bytes before a packet are missing; expected all packets")
    return segment.data[known:]
