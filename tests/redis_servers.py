"""Redis servers as operators have them: on TCP, with users, TLS, replicas and sentinels."""

import re
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from redis import Redis, RedisError
from redis.exceptions import ResponseError

from jobs.embedded import NO_RETRY
from jobs.embedded.binaries import redis_server
from tests.web import free_port, wait_until


class RedisServer:
    """A server on a free TCP port of this machine, with these lines of configuration."""

    def __init__(self, folder: Path, *lines: str, program: str | None = None, tls: dict | None = None):
        self.folder = folder
        self.port = free_port()
        self.tls = tls or {}
        ports = f"port 0\ntls-port {self.port}" if tls else f"port {self.port}"
        folder.mkdir()
        self.config = folder / "redis.conf"
        self.config.write_text("\n".join((ports, f"dir {folder}", "bind 127.0.0.1", 'save ""', *lines)))
        self._command = [program or str(redis_server()), str(self.config)]

    def start(self, *arguments: str) -> "RedisServer":
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen([*self._command, *arguments], stdout=log, stderr=log)
        wait_until(self.is_up)
        return self

    def is_up(self) -> bool:
        assert self.process.poll() is None, (self.folder / "log").read_text()
        try:
            return bool(self.client().ping())
        except ResponseError:  # it answers, if only to refuse this client
            return True
        except RedisError:
            return False

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()

    def client(self, **options: object) -> Redis:
        """A client that adds no prefix."""
        ssl = {"ssl": True, **self.tls} if self.tls else {}
        return Redis(port=self.port, retry=NO_RETRY, protocol=2, **ssl, **options)

    @property
    def environment(self) -> dict[str, str]:
        return {"REDIS_HOST": "127.0.0.1", "REDIS_PORT": str(self.port)}


@contextmanager
def running(*servers: RedisServer) -> Iterator[None]:
    """Run the servers until the block ends."""
    try:
        for server in servers:
            server.start()
        yield
    finally:
        for server in servers:
            with suppress(AttributeError):  # those that were never started
                server.stop()


@contextmanager
def traced(redis: Redis) -> Iterator[list[list[bytes]]]:
    """Yield what becomes the words of every command that the server runs, those of scripts included."""
    commands: list[list[bytes]] = []
    connection = redis.connection_pool.get_connection()
    connection.send_command("MONITOR")
    connection.read_response()

    def read() -> None:
        with suppress(RedisError, OSError, ValueError, AttributeError):
            while True:
                line = connection.read_response(timeout=None)
                commands.append([unescaped(word) for word in re.findall(rb'"((?:[^"\\]|\\.)*)"', line)])

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        yield commands
    finally:
        redis.echo("the end")
        wait_until(lambda: [b"ECHO", b"the end"] in commands)
        connection.disconnect()


def unescaped(word: bytes) -> bytes:
    return word.decode("latin1").encode().decode("unicode_escape").encode("latin1")


def keys_of(redis: Redis, words: Sequence[bytes]) -> list[str]:
    """Return the command's keys, as the server finds them."""
    try:
        return redis.command_getkeys(*words)
    except ResponseError:  # a command without keys
        return []
