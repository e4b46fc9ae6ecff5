"""Capture files as tcpdump writes them, of connections that a test scripts."""

import struct
from pathlib import Path

SERVER, CLIENT = 8000, 40000
SYN, ACK = 2, 16


class Capture:
    """A capture file in the making; `at` is in ns since the epoch."""

    def __init__(self, order: str = "<", magic: int = 0xA1B23C4D, link: int = 1):
        self._order = order
        self._unit = 1 if magic == 0xA1B23C4D else 1000
        self.content = struct.pack(f"{order}IHHiIII", magic, 2, 4, 0, 0, 262144, link)
        self._next: dict[tuple[int, int], int] = {}

    def open(self, at: int, client: int = CLIENT, sequence: int = 1000) -> None:
        """Add the packets that open a connection, whose data begins after this sequence number."""
        for source, destination in ((client, SERVER), (SERVER, client)):
            self._add(at, source, destination, sequence, SYN, b"")
            self._next[source, destination] = (sequence + 1) % (1 << 32)

    def request(self, at: int, data: bytes, client: int = CLIENT) -> None:
        self._send(at, client, SERVER, data)

    def response(self, at: int, data: bytes, client: int = CLIENT) -> None:
        self._send(at, SERVER, client, data)

    def again(self, at: int, data: bytes, back: int, client: int = CLIENT) -> None:
        """Add data of the response that begins `back` bytes before what has come."""
        sequence = self._next[SERVER, client] - back
        self._next[SERVER, client] = sequence
        self._send(at, SERVER, client, data)

    def lose(self, number: int, client: int = CLIENT) -> None:
        """Leave bytes of the response out of the capture."""
        self._next[SERVER, client] += number

    def write(self, folder: Path) -> Path:
        path = folder / "capture.pcap"
        path.write_bytes(self.content)
        return path

    def _send(self, at: int, source: int, destination: int, data: bytes) -> None:
        sequence = self._next.get((source, destination), 1)
        self._add(at, source, destination, sequence, ACK, data)
        self._next[source, destination] = (sequence + len(data)) % (1 << 32)

    def _add(self, at: int, source: int, destination: int, sequence: int, flags: int, data: bytes) -> None:
        options = b"\1\1\1\1"  # four that do nothing, so that the data does not follow the fixed header
        tcp = struct.pack(">HHIIBBHHH", source, destination, sequence, 0, 6 << 4, flags, 512, 0, 0) + options
        address = bytes((127, 0, 0, 1))
        ip = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(tcp) + len(data), 0, 0, 64, 6, 0) + 2 * address
        frame = bytes(12) + b"\x08\x00" + ip + tcp + data
        second, rest = divmod(at, 1_000_000_000)
        self.content += struct.pack(f"{self._order}IIII", second, rest // self._unit, len(frame), len(frame))
        self.content += frame
