"""Redis for one machine."""

import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.exceptions import ResponseError
from redis.retry import Retry

from jobs.embedded.binaries import redis_server
from jobs.embedded.errors import EmbeddedServerError
from jobs.embedded.folders import make_private, socket_folder

NO_RETRY = Retry(NoBackoff(), 0)
START_SECONDS = 60
POLL_SECONDS = 0.02
# Save after this number of seconds if at least this number of keys has changed.
SAVE = ("60", "1")


@dataclass(frozen=True)
class EmbeddedRedis:
    """A Redis server with its data in `folder`, on a Unix socket that is closed to other users."""

    name: ClassVar[str] = "Redis"
    folder: Path

    @property
    def socket(self) -> Path:
        """The path of its socket."""
        return socket_folder(self.folder, "redis.sock") / "redis.sock"

    @property
    def environment(self) -> dict[str, str]:
        """The settings for connecting to it."""
        return {"REDIS_HOST": str(self.socket), "REDIS_PASSWORD": "", "REDIS_SSL": "false"}

    def start(self) -> None:
        """Start it unless it runs."""
        for folder in (self.folder, self.socket.parent):
            make_private(folder)
        if self.is_running():
            return
        log = self.folder / "log"
        options = {
            "port": "0",
            "unixsocket": str(self.socket),
            "unixsocketperm": "700",
            "daemonize": "yes",
            "dir": str(self.folder),
            "logfile": str(log),
            # A full disk must not stop the queue.
            "stop-writes-on-bgsave-error": "no",
        }
        arguments = [word for name, value in options.items() for word in (f"--{name}", value)]
        # Redis ignores the two numbers of `save` if they are one argument.
        command = [str(redis_server()), *arguments, "--save", *SAVE]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        deadline = time.monotonic() + START_SECONDS
        while done.returncode == 0 and time.monotonic() < deadline:
            if self.is_running():
                return
            time.sleep(POLL_SECONDS)
        raise EmbeddedServerError(f"redis-server in {self.folder}: did not start; see {log}")

    def stop(self) -> None:
        """Stop it if it runs; it saves its data if it can."""
        if not self.is_running():
            return
        # Saving may take any time.
        with self._client(timeout=None) as client:
            try:
                client.shutdown()
            except ResponseError:  # such as a full disk
                client.shutdown(nosave=True)
        while self.is_running():
            time.sleep(POLL_SECONDS)

    def is_running(self) -> bool:
        """Return whether it answers."""
        try:
            with self._client(timeout=5) as client:
                return bool(client.ping())
        except RedisError:
            return False

    def _client(self, timeout: float | None) -> Redis:
        return Redis(unix_socket_path=str(self.socket), socket_timeout=timeout, retry=NO_RETRY)
