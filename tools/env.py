"""Fill the secrets that are empty or missing in .env with random text.

python3 tools/env.py [NAME ...]

Without names: every secret that `make start`, Compose and deploy.sh need. All other lines stay as they are;
a missing file begins as a copy of .env.example. Needs only Python 3.9, since nothing may be installed yet.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import re
import secrets
import sys
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / ".env.example"
SECRETS = (
    "API_KEY",
    "SECRET_KEY",
    "POSTGRES_PASSWORD",
    "REDIS_PASSWORD",
    "GRAFANA_PASSWORD",
    "GRAFANA_DB_PASSWORD",
)
# The settings that name each password's server, and what docker-compose.yml calls it.
SERVERS = {
    "POSTGRES_PASSWORD": ("postgres", "DATABASE_URL", "POSTGRES_HOST"),
    "REDIS_PASSWORD": ("redis", "REDIS_URL", "REDIS_SENTINELS", "REDIS_HOST"),
}
EMPTY = re.compile(r"""\s*(?:''|"")?(?:\s+(?P<comment>#.*)|\s*)""")


def main() -> None:
    """Fill the secrets that the command line names, or all, and report their names."""
    parser = argparse.ArgumentParser(prog="tools/env.py", description="Fill empty secrets in .env.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="secrets to fill; all if none is named")
    names = parser.parse_args().names
    try:
        filled = fill_file(ROOT / ".env", names or SECRETS)
    except OSError as error:
        sys.exit(f"make env: {error}")
    if filled:
        print(f"wrote .env: new {', '.join(filled)}")
    elif not names:
        print(".env is complete")


def fill_file(path: Path, names: Iterable[str]) -> list[str]:
    """Fill the named secrets of the file; returns the names of those that were empty or missing."""
    path = path.resolve()  # a link stays a link
    # Two processes would make different secrets. NFS needs the file to be open for writing.
    with open(EXAMPLE, "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        source = path if path.exists() else EXAMPLE
        with open(source, newline="", encoding="utf-8", errors="surrogateescape") as file:
            text, filled = fill(file.read(), names)
        if filled or source == EXAMPLE:
            _replace(path, text)
        with suppress(PermissionError):  # another user's file, which may be readable by intention
            path.chmod(0o600)
    return filled


def fill(text: str, names: Iterable[str]) -> tuple[str, list[str]]:
    """Return the text with the named secrets filled where they are empty, and the names of those."""
    filled = []
    for name in names:
        ours, *settings = SERVERS.get(name, ("",))
        # Another server may need no password; a wrong one would be refused.
        if any(_value(text, setting) not in ("", ours) for setting in settings):
            continue
        assignment, secret = _assignment(text, name), secrets.token_urlsafe(32)
        if assignment is None:
            newline = "\r\n" if "\r\n" in text else "\n"
            text += (newline if text and not text.endswith("\n") else "") + f"{name}={secret}{newline}"
        elif empty := EMPTY.fullmatch(assignment["value"]):
            comment = f" {empty['comment']}" if empty["comment"] else ""
            text = text[: assignment.start("value")] + secret + comment + text[assignment.end() :]
        else:
            continue
        filled.append(name)
    return text, filled


def _assignment(text: str, name: str) -> re.Match[str] | None:
    """Return the match of the assignment that counts, the last, or None."""
    found = re.finditer(rf"^[ \t]*(?:export[ \t]+)?{name}[ \t]*=(?P<value>[^\r\n]*)", text, re.MULTILINE)
    return max(found, key=re.Match.start, default=None)


def _value(text: str, name: str) -> str:
    assignment = _assignment(text, name)
    if assignment is None or EMPTY.fullmatch(assignment["value"]):
        return ""
    return re.sub(r"\s#.*", "", assignment["value"]).strip().strip("'\"")


def _replace(path: Path, text: str) -> None:
    """Write a new file and rename it, so that no reader finds half of it; the owner stays the same."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".env.")
    try:
        with open(descriptor, "w", newline="", encoding="utf-8", errors="surrogateescape") as file:
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        with suppress(FileNotFoundError, PermissionError):
            former = path.stat()
            os.chown(temporary, former.st_uid, former.st_gid)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


if __name__ == "__main__":
    main()
