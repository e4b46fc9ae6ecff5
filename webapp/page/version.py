"""One name for the page as it is: a new release must not show what an older one cached or a browser kept."""

from hashlib import sha256
from pathlib import Path

WEBAPP = Path(__file__).parent.parent


def _version() -> str:
    digest = sha256()
    for folder in ("page", "static", "templates"):
        for path in sorted((WEBAPP / folder).rglob("*")):
            if path.is_file() and path.suffix != ".pyc":
                digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


VERSION = _version()
