"""A name for this release of the page, so that nothing of an older one is served from a cache."""

from functools import cache
from hashlib import sha256
from pathlib import Path

WEBAPP = Path(__file__).parent.parent


@cache
def version() -> str:
    """Return a digest of the page's code, templates and static files; reads them once per process."""
    digest = sha256()
    for folder in ("page", "static", "templates"):
        for path in sorted((WEBAPP / folder).rglob("*")):
            if path.is_file() and path.suffix != ".pyc":
                digest.update(path.read_bytes())
    return digest.hexdigest()[:12]
