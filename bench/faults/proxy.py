"""A TCP proxy in front of a server's Unix socket, which can cut, hold back or delay what passes."""

import asyncio
import threading
from contextlib import suppress

MODES = ("cut", "silent", "deaf", "slow")
OPEN = "open"
SLOW_SECONDS = 0.2  # in each direction
CHUNK_BYTES = 1 << 16


class Proxy:
    """Forwards connections to a Unix socket, as the mode says, until it is closed."""

    def __init__(self, loop: asyncio.AbstractEventLoop, target: str):
        self._loop = loop
        self._target = target
        self._mode = OPEN
        self._writers: set[asyncio.StreamWriter] = set()
        self._changed = asyncio.Event()
        self.port = asyncio.run_coroutine_threadsafe(self._listen(), loop).result()

    def set_mode(self, mode: str) -> None:
        """Change the mode of all connections; may be called from any thread.

        `cut` ends them and new ones. `silent` holds everything back, and delivers it late, in the next mode.
        `deaf` drops the server's answers. `slow` delays both directions.
        """
        asyncio.run_coroutine_threadsafe(self._set_mode(mode), self._loop).result()

    def forward_to(self, target: str) -> None:
        """Forward new connections to another Unix socket, as a name in DNS leads to another server."""
        self._target = target

    async def _listen(self) -> int:
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return server.sockets[0].getsockname()[1]

    async def _set_mode(self, mode: str) -> None:
        former, self._mode = self._mode, mode
        self._changed.set()
        self._changed = asyncio.Event()
        if "cut" in (mode, former) or former == "deaf":
            self._end_all()

    def _end_all(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            if self._mode == "cut":
                return
            target_reader, target_writer = await asyncio.open_unix_connection(self._target)
            self._writers.add(target_writer)
            await asyncio.gather(
                self._pump(reader, target_writer, answers=False),
                self._pump(target_reader, writer, answers=True),
            )
            self._writers.discard(target_writer)
        except OSError:  # the server is down, or one end has left
            pass
        finally:
            self._writers.discard(writer)
            writer.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answers: bool) -> None:
        with suppress(OSError):
            while data := await reader.read(CHUNK_BYTES):
                while self._mode == "silent" or (self._mode == "deaf" and answers):
                    await self._changed.wait()
                if self._mode == "slow":
                    await asyncio.sleep(SLOW_SECONDS)
                writer.write(data)
                await writer.drain()
        writer.transport.abort()


def running_loop() -> asyncio.AbstractEventLoop:
    """Return an event loop that runs in a thread of this process until the process ends."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()
    return loop
