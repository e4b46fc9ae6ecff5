"""Where and with how many processes gunicorn serves: HOST, PORT and WEB_CONCURRENCY.

python -m webapp.serve

The same as `gunicorn`, except that gunicorn itself reads WEB_CONCURRENCY as it is imported and ends with a
traceback if that is no number; here it is checked before.
"""

import os
import runpy
from collections.abc import Mapping
from dataclasses import dataclass

from webapp.settings import SettingsError, exit_for

MOST_WORKERS = 256


@dataclass(frozen=True)
class Serving:
    """The address to listen on and the number of worker processes."""

    host: str
    port: int
    workers: int

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> "Serving":
        """Read the three; raises SettingsError with all faults at once."""
        faults: list[str] = []
        host = environ.get("HOST", "").strip() or "127.0.0.1"
        if any(character.isspace() or character in "/,[]" for character in host) or not host.isascii():
            faults.append(f"HOST={host!r}: must be one name or address, as 127.0.0.1, 0.0.0.0 or ::")
        port = _whole(environ, "PORT", 8001, 65535, faults)
        workers = _whole(environ, "WEB_CONCURRENCY", 2, MOST_WORKERS, faults)
        if faults:
            raise SettingsError(faults)
        return cls(host, port, workers)

    @property
    def bind(self) -> str:
        """As gunicorn takes it."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _whole(environ: Mapping[str, str], name: str, default: int, most: int, faults: list[str]) -> int:
    raw = environ.get(name, "").strip() or str(default)
    if raw.isascii() and raw.isdigit() and len(raw) <= len(str(most)) and 1 <= int(raw) <= most:
        return int(raw)
    faults.append(f"{name}={raw!r}: must be a whole number from 1 to {most}")
    return default


def main() -> None:
    """Run gunicorn with the settings of gunicorn.conf.py and any options of its own."""
    try:
        Serving.from_env()
    except SettingsError as error:
        exit_for(error)
    runpy.run_module("gunicorn", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
