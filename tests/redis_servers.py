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

    def __init__(
        self,
        folder: Path,
        *lines: str,
        program: str | None = None,
        password: str = "",
        tls: dict[str, str] | None = None,
    ):
        self.folder = folder
        self.port = free_port()
        self.password = password
        self.tls = tls or {}
        folder.mkdir()
        self.socket = str(folder / "s")
        ports = ("port 0", f"tls-port {self.port}") if tls else (f"port {self.port}",)
        passwords = (f"requirepass {password}",) if password else ()
        self.config = folder / "redis.conf"
        self.config.write_text("\n".join((*ports, f"dir {folder}", "bind 127.0.0.1", *passwords, *lines)))
        self._command = [program or str(redis_server()), str(self.config)]

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(self._command, stdout=log, stderr=log)
        wait_until(self.is_up)

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
        options = {"password": self.password or None, **options}
        return Redis(port=self.port, retry=NO_RETRY, protocol=2, **ssl, **options)

    @property
    def environment(self) -> dict[str, str]:
        return {
            "REDIS_HOST": "127.0.0.1",
            "REDIS_PORT": str(self.port),
            "REDIS_PASSWORD": self.password,
        }


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


@contextmanager
def replicated(folder: Path, program: str, password: str = "") -> Iterator[tuple[RedisServer, RedisServer]]:
    """Run a primary and its replica, which has the primary's data when the block begins."""
    login = (f"masterauth {password}",) if password else ()
    first, second = (
        RedisServer(
            folder / name,
            'save ""',
            "repl-diskless-sync yes",
            "repl-diskless-sync-delay 0",
            f"unixsocket {folder / name / 's'}",
            *login,
            program=program,
            password=password,
        )
        for name in ("first", "second")
    )
    with running(first, second):
        second.client().replicaof("127.0.0.1", first.port)
        wait_until(lambda: second.client().info("replication").get("master_link_status") == "up")
        yield first, second


def is_primary(server: RedisServer) -> bool:
    with suppress(RedisError):  # a sentinel cuts off the clients of a server that it promotes
        return server.client().info("replication")["role"] == "master"
    return False


def force_failover(sentinel: RedisServer) -> None:
    """Let the sentinel make the replica the primary, as soon as it knows it well enough."""

    def is_begun() -> bool:
        with suppress(ResponseError):
            return sentinel.client().sentinel_failover("mymaster")
        return False

    wait_until(is_begun, 20)


def sentinel(
    folder: Path,
    port: int,
    program: str,
    password: str,
    *lines: str,
    tls: dict[str, str] | None = None,
) -> RedisServer:
    """A sentinel that watches the primary on that port, and decides alone."""
    return RedisServer(
        folder,
        f"sentinel monitor mymaster 127.0.0.1 {port} 1",
        "sentinel down-after-milliseconds mymaster 1000",
        "sentinel failover-timeout mymaster 5000",
        *lines,
        program=program,
        password=password,
        tls=tls,
    )
