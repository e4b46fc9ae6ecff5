"""PgBouncer in front of the tests' PostgreSQL."""

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType

import psycopg2

from jobs.embedded.account import server_account
from tests.tools import find
from tests.web import free_port, wait_until
from webapp.settings import Settings
from webapp.store import connect

CONFIGURATION = """
[databases]
* = host={host} port={server_port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = trust
auth_file = {folder}/users
max_client_conn = {clients}
query_wait_timeout = 20
"""


@contextmanager
def pooled(
    environment: Mapping[str, str],
    folder: Path,
    changes: Mapping[str, str] = MappingProxyType({}),
    clients: int = 60,
    **options: object,
) -> Iterator[dict[str, str]]:
    """Run PgBouncer with these options until the block ends.

    Yields the environment that leads to it, with these further changes.
    """
    port = free_port()
    folder.mkdir()
    folder.chmod(0o755)
    account = server_account()  # PgBouncer refuses to run as root, too, and the socket is closed to others
    options |= {"user": account.pw_name} if account else {}
    (folder / "users").write_text(f'"{environment["POSTGRES_USER"]}" ""\n')
    values = {
        "host": environment["POSTGRES_HOST"], "server_port": environment["POSTGRES_PORT"], "port": port,
        "folder": folder, "clients": clients,
    }  # fmt: skip
    lines = [f"{name} = {value}" for name, value in options.items()]
    (folder / "ini").write_text(CONFIGURATION.format(**values) + "\n".join(lines) + "\n")
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([find("pgbouncer"), folder / "ini"], stdout=log, stderr=log)
    through = {**environment, "POSTGRES_HOST": "127.0.0.1", "POSTGRES_PORT": str(port), **changes}
    try:
        wait_until(lambda: _accepts(process, through, folder / "log"))
        yield through
    finally:
        process.terminate()
        process.wait(10)


def _accepts(process: subprocess.Popen, environment: dict[str, str], log: Path) -> bool:
    assert process.poll() is None, log.read_text()
    with suppress(psycopg2.OperationalError):
        connect(Settings.from_env({**environment, "POSTGRES_DB": "postgres"})).close()
        return True
    return False
