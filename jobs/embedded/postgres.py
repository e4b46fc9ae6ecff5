"""PostgreSQL for one machine."""

import shlex
import shutil
import subprocess
import tempfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import psutil
import psycopg2
from psycopg2 import sql

from jobs.embedded.account import allow_traversal, server_account
from jobs.embedded.binaries import postgres_bin
from jobs.embedded.errors import EmbeddedServerError, first_line
from jobs.embedded.folders import make_private, socket_folder

START_SECONDS = 60


@dataclass(frozen=True)
class EmbeddedPostgres:
    """A PostgreSQL server with its data in `folder`, on a Unix socket that is closed to other users."""

    name: ClassVar[str] = "PostgreSQL"
    folder: Path
    database: str = "llm_benchmark"
    options: tuple[str, ...] = ()

    @property
    def host(self) -> str:
        """The folder of its socket, which libpq accepts as a host."""
        return str(socket_folder(self.folder, ".s.PGSQL.5432"))

    @property
    def environment(self) -> dict[str, str]:
        """The settings for connecting to it."""
        return {
            "POSTGRES_HOST": self.host,
            "POSTGRES_PORT": "5432",
            "POSTGRES_USER": "postgres",
            "POSTGRES_PASSWORD": "",
            "POSTGRES_DB": self.database,
        }

    def start(self) -> None:
        """Start it unless it runs; create its data folder and the database if they are missing."""
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        if server_account():
            allow_traversal(self.folder.parent, postgres_bin())
        if not (self.folder / "PG_VERSION").exists():
            self._init()
        if not self.is_running():
            self._remove_stale_lock_files()
            make_private(Path(self.host), server_account())
            options = ["-c", "listen_addresses=", "-c", f"unix_socket_directories={self.host}", *self.options]
            self._run("pg_ctl", "-w", "-t", str(START_SECONDS), "-l", str(self.folder / "log"),
                      "-o", shlex.join(options), "start")  # fmt: skip
        self._create_database()

    def stop(self) -> None:
        """Stop it if it runs, aborting its clients' transactions."""
        if self.is_running():
            self._run("pg_ctl", "-w", "-m", "fast", "stop")

    def is_running(self) -> bool:
        """Return whether the server of this folder is alive."""
        pid_file = self.folder / "postmaster.pid"
        try:
            process = psutil.Process(int(pid_file.read_text().split()[0]))
            return process.name() == "postgres" and process.status() != psutil.STATUS_ZOMBIE
        except (OSError, ValueError, IndexError, psutil.Error):
            return False

    def _init(self) -> None:
        """Create the data in another folder and rename it, so that an incomplete one is never used."""
        fresh = self.folder.with_name(self.folder.name + ".new")
        shutil.rmtree(fresh, ignore_errors=True)
        make_private(fresh, server_account())
        self._run(
            "initdb", "--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C", folder=fresh
        )
        fresh.rename(self.folder)

    def _remove_stale_lock_files(self) -> None:
        """After a crash PostgreSQL refuses to start while any process, even a zombie, has the former id."""
        (self.folder / "postmaster.pid").unlink(missing_ok=True)
        (Path(self.host) / ".s.PGSQL.5432.lock").unlink(missing_ok=True)

    def _create_database(self) -> None:
        try:
            conn = psycopg2.connect(host=self.host, user="postgres", dbname="postgres", connect_timeout=10)
        except psycopg2.OperationalError as error:
            raise EmbeddedServerError(f"PostgreSQL in {self.folder}: {first_line(error)}") from None
        with closing(conn):
            conn.autocommit = True
            with conn.cursor() as cursor:
                cursor.execute("SELECT FROM pg_database WHERE datname = %s", (self.database,))
                if cursor.rowcount == 0:
                    cursor.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(self.database)))

    def _run(self, command: str, *arguments: str, folder: Path | None = None) -> None:
        """Run one of PostgreSQL's commands on the folder, as the server's user."""
        folder = folder or self.folder
        account = server_account()
        identity = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []} if account else {}
        # Output goes to a file, since the server that the command starts would keep a pipe open.
        with tempfile.TemporaryFile("w+") as output:
            done = subprocess.run(
                [postgres_bin() / command, "-D", str(folder), *arguments],
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
            hint = f"; see {log}" if log.exists() else ""
            raise EmbeddedServerError(f"{command} in {folder}: {lines[-1]}{hint}")
