"""Folders that only the server's user can enter, and paths short enough for Unix sockets."""

import hashlib
import os
import pwd
from pathlib import Path

from jobs.embedded.errors import EmbeddedServerError

# The kernel limits the path of a Unix socket to 107 bytes.
LONGEST_SOCKET_PATH = 100


def make_private(folder: Path, account: pwd.struct_passwd | None = None) -> None:
    """Create the folder, closed to others, for the account, by default this process's user.

    Raises EmbeddedServerError if it exists and belongs to someone else.
    """
    owner = account.pw_uid if account else os.getuid()
    if not folder.exists():
        folder.mkdir(mode=0o700, parents=True)
        if account:
            os.chown(folder, account.pw_uid, account.pw_gid)
    if folder.stat().st_uid != owner:
        raise EmbeddedServerError(f"{folder}: belongs to another user; remove it, or run as that user")


def socket_folder(folder: Path, name: str) -> Path:
    """Return where the server in `folder` puts its socket `name`: `folder`, or a folder with a short path.

    The latter if the socket's path would be too long, or if it contains a space, which redis-py cannot parse
    in the server's list of clients.
    """
    if len(os.fsencode(folder / name)) <= LONGEST_SOCKET_PATH and " " not in str(folder):
        return folder
    digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    return Path("/tmp") / f"llm-benchmark-{digest}"  # noqa: S108  (private, see make_private)
