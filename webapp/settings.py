"""Settings from the environment and `.env`: typed, frozen, with all faults reported together."""

import os
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn, TypeVar
from urllib.parse import quote, urlencode

from dotenv import dotenv_values

ROOT = Path(__file__).resolve().parent.parent
ENV_FILE = ROOT / ".env"
# Written by `make start` while its embedded servers run: where they listen.
EMBEDDED_ENV_FILE = ROOT / "data" / "embedded.env"

# What docker-compose.yml calls its servers. A `.env` that names them also works with `make start`.
COMPOSE_HOSTS = {"POSTGRES": "postgres", "REDIS": "redis"}

SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
LOG_FORMATS = ("text", "json")
SHORTEST_SECRET = 32
SHORTEST_KEY = 16  # shorter ones are accepted with a warning
LONGEST_BODY = 1 << 20  # bytes of a request's body
MOST_WORKERS = 256
MOST_DAYS = 36_500

T = TypeVar("T")


class SettingsError(Exception):
    """Unusable settings; `faults` has a line for each: name, value, and what is expected."""

    kind = "setting"

    def __init__(self, faults: list[str]):
        super().__init__("\n".join(faults))
        self.faults = faults


@dataclass(frozen=True)
class Settings:
    """All settings; docs/install.md describes each one."""

    postgres_user: str
    postgres_host: str  # a name, an address, or the folder of a Unix socket (starts with /)
    postgres_port: int
    postgres_password: str = field(repr=False)
    postgres_db: str
    postgres_sslmode: str
    api_keys: tuple[str, ...] = field(repr=False)  # empty: this process accepts none
    schedule_interval: int  # seconds between slots
    redis_host: str  # a name, an address, or a Unix socket (starts with /)
    redis_port: int
    redis_password: str = field(repr=False)
    redis_ssl: bool
    seed: int | None  # None: fresh randomness at each run
    max_retries: int
    retry_delay: int  # seconds
    migration_timeout: int  # seconds that a migration retries while others hold a lock that it needs
    points_per_run: int  # values per LLM and metric
    retention_days: int  # of points; 0: forever
    rollup_retention_days: int  # of hourly rollups and those of runs; 0: forever
    log_level: str
    log_format: str
    secret_key: str = field(repr=False)  # signs the page's cookies; empty: a random one at each start
    public_dashboard: bool  # whether the page may be read without signing in
    benchmark_file: str  # path, see `webapp.plan.benchmark_file`; empty: none
    self_check_interval: int  # seconds between self-checks; 0: none
    measurements_per_host: int | None  # at the same time; None: as many as processors
    worker_host: str  # workers of the same name share the processors of one machine
    metrics_public: bool  # whether /metrics is served without a key
    metrics_port: int | None  # where scheduler and worker serve /metrics; None: nowhere
    host: str  # address on which the API, and /metrics of the other processes, listen
    port: int  # of the API
    web_concurrency: int  # gunicorn's worker processes
    grafana_db_user: str  # the role that `flask grafana-reader` makes
    grafana_db_password: str = field(repr=False)

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None, *, needs_key: bool = False) -> "Settings":
        """Return the settings of `environ`, by default of the process's environment and `.env`.

        Raises SettingsError with all faults. The API needs a key, which no other process should have to hold.
        """
        return _read(environment() if environ is None else environ, needs_key)

    @property
    def has_short_key(self) -> bool:
        """Whether an API key is short enough to be guessed."""
        return any(len(key) < SHORTEST_KEY for key in self.api_keys)

    @property
    def bind(self) -> str:
        """Host and port in gunicorn's format."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def redis_url(self) -> str:
        """The Redis server as a URL for redis-py, including the password."""
        secret = f":{quote(self.redis_password, safe='')}@" if self.redis_password else ""
        if self.redis_host.startswith("/"):
            return f"unix://{secret}{quote(self.redis_host)}?{urlencode({'db': 0})}"
        scheme = "rediss" if self.redis_ssl else "redis"
        return f"{scheme}://{secret}{self.redis_host}:{self.redis_port}/0"


def environment(env_file: Path = ENV_FILE, embedded_env_file: Path = EMBEDDED_ENV_FILE) -> dict[str, str]:
    """Return the process's environment over `.env`; where those name no server, the embedded one's."""
    found = {**dotenv_values(env_file), **os.environ}
    values = {name: value for name, value in found.items() if value is not None}
    embedded = dotenv_values(embedded_env_file)
    for server, compose_host in COMPOSE_HOSTS.items():
        if values.get(f"{server}_HOST", "") in ("", compose_host):
            values |= {name: value or "" for name, value in embedded.items() if name.startswith(server)}
    return values


def secret_variable(name: str) -> str | None:
    """Return a variable that is not a setting, from the environment or `.env`; None if it is empty."""
    return environment().get(name) or None


def _read(environ: Mapping[str, str], needs_key: bool) -> Settings:
    faults: list[str] = []

    def read(name: str, parse: Callable[[str], T], default: str | None = None, secret: bool = False) -> Any:
        raw = environ.get(name, "")
        if not raw.strip() and default is not None:
            raw = default
        try:
            return parse(raw.strip())
        except ValueError as error:
            shown = "(hidden)" if secret and raw else repr(raw)
            faults.append(f"{name}={shown}: {error}")
            return None

    settings = Settings(
        postgres_user=read("POSTGRES_USER", _text, "postgres"),
        postgres_host=read("POSTGRES_HOST", _server),
        postgres_port=read("POSTGRES_PORT", _whole(1, 65535), "5432"),
        postgres_password=read("POSTGRES_PASSWORD", str, "", secret=True),
        postgres_db=read("POSTGRES_DB", _text, "llm_benchmark"),
        postgres_sslmode=read("POSTGRES_SSLMODE", _one_of(SSL_MODES), "prefer"),
        api_keys=read("API_KEY", lambda raw: _keys(raw) if raw or needs_key else (), secret=True),
        schedule_interval=read("SCHEDULE_INTERVAL", _minutes, "10"),
        redis_host=read("REDIS_HOST", _server),
        redis_port=read("REDIS_PORT", _whole(1, 65535), "6379"),
        redis_password=read("REDIS_PASSWORD", str, "", secret=True),
        redis_ssl=read("REDIS_SSL", _yes_or_no, "false"),
        # Unset means the contract's seed; set but empty means fresh randomness.
        seed=read("SEED", _seed) if "SEED" in environ else 20,
        max_retries=read("MAX_RETRIES", _whole(0, 100), "2"),
        retry_delay=read("RETRY_DELAY", _whole(0, 86400), "60"),
        migration_timeout=read("MIGRATION_TIMEOUT", _whole(0, 86400), "600"),
        points_per_run=read("POINTS_PER_RUN", _whole(1, 1_000_000), "1000"),
        retention_days=read("RETENTION_DAYS", _days(1), "30"),
        # Windows of up to 24 hours are built from these, and reach back one hour more.
        rollup_retention_days=read("ROLLUP_RETENTION_DAYS", _days(2), "365"),
        log_level=read("LOG_LEVEL", lambda raw: _one_of(LOG_LEVELS)(raw.upper()), "INFO"),
        log_format=read("LOG_FORMAT", _one_of(LOG_FORMATS), "text"),
        secret_key=read("SECRET_KEY", _secret_key, "", secret=True),
        public_dashboard=read("PUBLIC_DASHBOARD", _yes_or_no, "false"),
        benchmark_file=read("BENCHMARK_FILE", _file, ""),
        self_check_interval=read("SELF_CHECK_INTERVAL", lambda raw: _minutes(raw) if raw else 0, ""),
        measurements_per_host=read(
            "MEASUREMENTS_PER_HOST", lambda raw: _whole(1, 1024)(raw) if raw else None, ""
        ),
        worker_host=read("WORKER_HOST", _text, socket.gethostname()),
        metrics_public=read("METRICS_PUBLIC", _yes_or_no, "false"),
        metrics_port=read("METRICS_PORT", lambda raw: _whole(1, 65535)(raw) if raw else None, ""),
        host=read("HOST", _host, "127.0.0.1"),
        port=read("PORT", _whole(1, 65535), "8001"),
        web_concurrency=read("WEB_CONCURRENCY", _whole(1, MOST_WORKERS), "2"),
        grafana_db_user=read("GRAFANA_DB_USER", _text, "grafana_reader"),
        grafana_db_password=read("GRAFANA_DB_PASSWORD", str, "", secret=True),
    )
    if faults:
        raise SettingsError(faults)
    return settings


def exit_for(error: SettingsError) -> NoReturn:
    """Print each fault on a line of stderr and exit with 2."""
    for fault in error.faults:
        print(f"{error.kind} {fault}", file=sys.stderr)
    raise SystemExit(2)


# Parsers: each takes the stripped text and raises ValueError with what is expected.


def _text(raw: str) -> str:
    if not raw or "\0" in raw:
        raise ValueError("must be a name")
    return raw


def _server(raw: str) -> str:
    if not raw:
        raise ValueError("must name a server; may be empty only with `make start`, which brings one")
    return raw


def _keys(raw: str) -> tuple[str, ...]:
    keys = tuple(key for key in (part.strip() for part in raw.split(",")) if key)
    if not keys:
        raise ValueError("must contain at least one key; see make env")
    if any(not key.isascii() or not key.isprintable() or " " in key for key in keys):
        raise ValueError("must contain keys of printable ASCII without spaces, separated by commas")
    return keys


def _secret_key(raw: str) -> str:
    if raw and len(raw) < SHORTEST_SECRET:
        raise ValueError(f"must have at least {SHORTEST_SECRET} random characters, or be empty; see make env")
    return raw


def _host(raw: str) -> str:
    if any(character.isspace() or character in "/,[]" for character in raw) or not raw.isascii():
        raise ValueError("must be one name or address, such as 127.0.0.1, 0.0.0.0 or ::")
    return raw


def _file(raw: str) -> str:
    # Relative to the project's folder, so that every working directory leads to the same file.
    if raw and not (ROOT / raw).is_file():
        raise ValueError("must be the path of a file, absolute or relative to the project's folder")
    return str(ROOT / raw) if raw else ""


def _seed(raw: str) -> int | None:
    try:
        return int(raw) if raw else None
    except ValueError:
        raise ValueError("must be a whole number, or empty for fresh randomness") from None


def _minutes(raw: str) -> int:
    try:
        seconds = round(float(raw) * 60)
        if 1 <= seconds <= 7 * 24 * 3600:
            return seconds
    except (ValueError, OverflowError):
        pass
    raise ValueError("must be a number of minutes between one second (0.0167) and one week (10080)")


def _yes_or_no(raw: str) -> bool:
    if raw.lower() in ("1", "true", "yes", "on"):
        return True
    if raw.lower() in ("0", "false", "no", "off"):
        return False
    raise ValueError("must be true or false")


def _whole(low: int, high: int) -> Callable[[str], int]:
    def parse(raw: str) -> int:
        # int() alone would accept 1_0, digits of other scripts, and any number of digits.
        if raw.isascii() and raw.isdigit() and len(raw) <= len(str(high)) and low <= int(raw) <= high:
            return int(raw)
        raise ValueError(f"must be a whole number from {low} to {high}")

    return parse


def _days(low: int) -> Callable[[str], int]:
    def parse(raw: str) -> int:
        try:
            days = _whole(0, MOST_DAYS)(raw)
        except ValueError:
            days = -1
        if days != 0 and not low <= days:
            raise ValueError(f"must be a whole number of days from {low} to {MOST_DAYS}, or 0 for no limit")
        return days

    return parse


def _one_of(choices: tuple[str, ...]) -> Callable[[str], str]:
    def parse(raw: str) -> str:
        if raw not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}")
        return raw

    return parse
