"""Settings from the environment and `.env`: typed, frozen, with all faults reported together."""

import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn, TypeVar

from webapp.settings import certificates
from webapp.settings import parsers as parse
from webapp.settings.environment import (
    COMPOSE_HOSTS,
    EMBEDDED_ENV_FILE,
    ENV_FILE,
    ROOT,
    environment,
    named_host,
    named_values,
    secret_variable,
)
from webapp.settings.errors import SettingsError
from webapp.settings.server_urls import named_by_urls

__all__ = [
    "COMPOSE_HOSTS",
    "EMBEDDED_ENV_FILE",
    "ENV_FILE",
    "LONGEST_BODY",
    "ROOT",
    "SHORTEST_KEY",
    "Settings",
    "SettingsError",
    "environment",
    "exit_for",
    "named_host",
    "named_values",
    "secret_variable",
]

SHORTEST_KEY = 16  # shorter ones are accepted with a warning
LONGEST_BODY = 1 << 20  # bytes of a request's body
MOST_WORKERS = 256

T = TypeVar("T")


@dataclass(frozen=True)
class Settings:
    """All settings; docs/install.md describes each one."""

    postgres_user: str
    postgres_host: str  # a name, an address, or the folder of a Unix socket (starts with /)
    postgres_port: int
    postgres_password: str = field(repr=False)
    postgres_db: str
    postgres_sslmode: str
    postgres_sslrootcert: str  # path of the CA's certificates; empty: libpq's default
    postgres_sslcert: str  # path of the client's certificate; empty: none
    postgres_sslkey: str
    postgres_pool_size: int  # connections of one web server process at most
    api_keys: tuple[str, ...] = field(repr=False)  # empty: this process accepts none
    schedule_interval: int  # seconds between slots
    redis_host: str  # a name, an address, or a Unix socket (starts with /)
    redis_port: int
    redis_user: str  # empty: Redis' default user
    redis_password: str = field(repr=False)
    redis_db: int
    redis_prefix: str  # begins every key
    redis_sentinels: tuple[tuple[str, int], ...]  # hosts and ports; empty: redis_host is the server
    redis_sentinel_name: str  # by which the sentinels know the server
    redis_sentinel_user: str
    redis_sentinel_password: str = field(repr=False)
    redis_ssl: bool
    redis_ssl_ca: str  # path of the CA's certificates; empty: the system's
    redis_ssl_cert: str  # path of the client's certificate; empty: none
    redis_ssl_key: str
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
    region: str | None  # from which a worker measures; None: from none in particular
    watch_min_change: float  # the smallest change of level that is reported, such as 0.1
    watch_failed_runs: int  # in a row, after which an LLM is down
    watch_max_error_rate: float  # beyond these bounds in as many runs, an LLM is degraded
    watch_min_slo_attainment: float
    watch_cool_down: int  # seconds within which a resolved incident is reopened
    metrics_public: bool  # whether /metrics is served without a key
    metrics_port: int | None  # where scheduler and worker serve /metrics; None: nowhere
    url_prefix: str  # path under which a proxy serves the API and the page, such as /llm; empty: /
    trusted_proxies: tuple[str, ...]  # networks of proxies whose X-Forwarded-* headers are believed
    frame_ancestors: str  # sources that may embed the page in a frame; empty: none
    keepalive: int  # seconds for which an idle connection of a client stays open
    host: str  # address, or unix:/path, on which the API, and /metrics of the other processes, listen
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
    def socket_path(self) -> str:
        """The path of the Unix socket on which the API listens; empty if it listens on an address."""
        return self.host.removeprefix("unix:") if self.host.startswith("unix:") else ""

    @property
    def bind(self) -> str:
        """Host and port, or the Unix socket, in gunicorn's format."""
        if self.socket_path:
            return self.host
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _read(environ: Mapping[str, str], needs_key: bool) -> Settings:
    by_url, faults = named_by_urls(environ)

    def read(name: str, parser: Callable[[str], T], default: str | None = None, secret: bool = False) -> Any:
        raw = by_url.get(name) or environ.get(name, "")
        if not raw.strip() and default is not None:
            raw = default
        try:
            return parser(raw if parser is parse.password else raw.strip())
        except ValueError as error:
            shown = "(hidden)" if secret and raw else repr(raw)
            faults.append(f"{name}={shown}: {error}")
            return None

    settings = Settings(
        postgres_user=read("POSTGRES_USER", parse.text, "postgres"),
        postgres_host=read("POSTGRES_HOST", parse.server),
        postgres_port=read("POSTGRES_PORT", parse.whole(1, 65535), "5432"),
        postgres_password=read("POSTGRES_PASSWORD", parse.password, "", secret=True),
        postgres_db=read("POSTGRES_DB", parse.text, "llm_benchmark"),
        postgres_sslmode=read("POSTGRES_SSLMODE", parse.one_of(parse.SSL_MODES), "prefer"),
        postgres_sslrootcert=read("POSTGRES_SSLROOTCERT", certificates.ca_file, ""),
        postgres_sslcert=read("POSTGRES_SSLCERT", parse.file, ""),
        postgres_sslkey=read("POSTGRES_SSLKEY", certificates.key_file, ""),
        postgres_pool_size=read("POSTGRES_POOL_SIZE", parse.whole(1, 100), "8"),
        api_keys=read("API_KEY", lambda raw: parse.keys(raw) if raw or needs_key else (), secret=True),
        schedule_interval=read("SCHEDULE_INTERVAL", parse.minutes, "10"),
        redis_host=read("REDIS_HOST", str if environ.get("REDIS_SENTINELS", "").strip() else parse.server),
        redis_port=read("REDIS_PORT", parse.whole(1, 65535), "6379"),
        redis_password=read("REDIS_PASSWORD", parse.password, "", secret=True),
        redis_user=read("REDIS_USER", str, ""),
        redis_db=read("REDIS_DB", parse.whole(0, 65535), "0"),
        redis_prefix=read("REDIS_PREFIX", parse.key_prefix, ""),
        redis_sentinels=read("REDIS_SENTINELS", parse.addresses, ""),
        redis_sentinel_name=read("REDIS_SENTINEL_NAME", parse.text, "mymaster"),
        redis_sentinel_user=read("REDIS_SENTINEL_USER", str, ""),
        redis_sentinel_password=read("REDIS_SENTINEL_PASSWORD", parse.password, "", secret=True),
        redis_ssl=read("REDIS_SSL", parse.yes_or_no, "false"),
        redis_ssl_ca=read("REDIS_SSL_CA", parse.file, ""),
        redis_ssl_cert=read("REDIS_SSL_CERT", parse.file, ""),
        redis_ssl_key=read("REDIS_SSL_KEY", parse.file, ""),
        # Unset means the contract's seed; set but empty means fresh randomness.
        seed=read("SEED", parse.seed) if "SEED" in environ else 20,
        max_retries=read("MAX_RETRIES", parse.whole(0, 100), "2"),
        retry_delay=read("RETRY_DELAY", parse.whole(0, 86400), "60"),
        migration_timeout=read("MIGRATION_TIMEOUT", parse.whole(0, 86400), "600"),
        points_per_run=read("POINTS_PER_RUN", parse.whole(1, 1_000_000), "1000"),
        retention_days=read("RETENTION_DAYS", parse.days(1), "30"),
        # Windows of up to 24 hours are built from these, and reach back one hour more.
        rollup_retention_days=read("ROLLUP_RETENTION_DAYS", parse.days(2), "365"),
        log_level=read("LOG_LEVEL", lambda raw: parse.one_of(parse.LOG_LEVELS)(raw.upper()), "INFO"),
        log_format=read("LOG_FORMAT", parse.one_of(parse.LOG_FORMATS), "text"),
        secret_key=read("SECRET_KEY", parse.secret_key, "", secret=True),
        public_dashboard=read("PUBLIC_DASHBOARD", parse.yes_or_no, "false"),
        benchmark_file=read("BENCHMARK_FILE", parse.file, ""),
        self_check_interval=read("SELF_CHECK_INTERVAL", lambda raw: parse.minutes(raw) if raw else 0, ""),
        measurements_per_host=read(
            "MEASUREMENTS_PER_HOST", lambda raw: parse.whole(1, 1024)(raw) if raw else None, ""
        ),
        worker_host=read("WORKER_HOST", parse.text, socket.gethostname()),
        region=read("REGION", lambda raw: parse.region(raw) if raw else None, ""),
        watch_min_change=read("WATCH_MIN_CHANGE", parse.number(0.01, 10), "0.1"),
        watch_failed_runs=read("WATCH_FAILED_RUNS", parse.whole(1, 100), "2"),
        watch_max_error_rate=read("WATCH_MAX_ERROR_RATE", parse.number(0, 1), "0.1"),
        watch_min_slo_attainment=read("WATCH_MIN_SLO_ATTAINMENT", parse.number(0, 1), "0.9"),
        watch_cool_down=read("WATCH_COOL_DOWN", parse.minutes, "60"),
        metrics_public=read("METRICS_PUBLIC", parse.yes_or_no, "false"),
        metrics_port=read("METRICS_PORT", lambda raw: parse.whole(1, 65535)(raw) if raw else None, ""),
        # SCRIPT_NAME is what WSGI and gunicorn call it.
        url_prefix=read("URL_PREFIX" if environ.get("URL_PREFIX") else "SCRIPT_NAME", parse.url_prefix, ""),
        trusted_proxies=read("TRUSTED_PROXIES", parse.networks, ""),
        frame_ancestors=read("FRAME_ANCESTORS", parse.frame_ancestors, ""),
        keepalive=read("KEEPALIVE", parse.whole(1, 3600), "75"),
        host=read("HOST", parse.host, "127.0.0.1"),
        port=read("PORT", parse.whole(1, 65535), "8001"),
        web_concurrency=read("WEB_CONCURRENCY", parse.whole(1, MOST_WORKERS), "2"),
        grafana_db_user=read("GRAFANA_DB_USER", parse.text, "grafana_reader"),
        grafana_db_password=read("GRAFANA_DB_PASSWORD", parse.password, "", secret=True),
    )
    faults += certificates.faults({**environ, **by_url})
    if faults:
        raise SettingsError(faults)
    return settings


def exit_for(error: SettingsError) -> NoReturn:
    """Print each fault on a line of stderr and exit with 2."""
    for fault in error.faults:
        print(f"{error.kind} {fault}", file=sys.stderr)
    raise SystemExit(2)
