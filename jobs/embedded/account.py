"""The account for PostgreSQL when this process is root, which PostgreSQL refuses to run as."""

import os
import pwd
import subprocess
import sys
from pathlib import Path

from jobs.embedded.errors import EmbeddedServerError, first_line

SERVER_USER = "embedded_postgres"


def server_account() -> pwd.struct_passwd | None:
    """Return the account, created if it is missing; None if this process is not root."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam(SERVER_USER)
    except KeyError:
        _create_user()
        return pwd.getpwnam(SERVER_USER)


def allow_traversal(*folders: Path) -> None:
    """Let the account pass through (not list) the folders and those above them."""
    for folder in folders:
        for step in (folder, *folder.parents):
            mode = step.stat().st_mode
            if not mode & 0o001:
                print(f"{step}: making it traversable for {SERVER_USER} (chmod o+x)", file=sys.stderr)
                step.chmod(mode | 0o001)


def _create_user() -> None:
    created = subprocess.run(
        ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", SERVER_USER],
        check=False,
        capture_output=True,
        text=True,
    )
    if created.returncode != 0:
        raise EmbeddedServerError(
            f"user {SERVER_USER}: could not be created ({first_line(created.stderr)});"
            " PostgreSQL needs it, since it cannot run as root"
        )
