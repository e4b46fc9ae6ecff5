"""Where settings come from: the process's environment, `.env`, and what `make start` has written."""

import os
from collections.abc import Mapping
from pathlib import Path

from dotenv import dotenv_values

from webapp.settings.env_file import read_env_file

ROOT = Path(__file__).resolve().parent.parent.parent
ENV_FILE = ROOT / ".env"
# Written by `make start` while its embedded servers run: where they listen.
EMBEDDED_ENV_FILE = ROOT / "data" / "embedded.env"

# What docker-compose.yml calls its servers. A `.env` that names them also works with `make start`.
COMPOSE_HOSTS = {"POSTGRES": "postgres", "REDIS": "redis"}
# Settings that name a server in place of POSTGRES_HOST or REDIS_HOST.
INSTEAD_OF_HOST = {"POSTGRES": ("DATABASE_URL",), "REDIS": ("REDIS_URL", "REDIS_SENTINELS")}


def environment(env_file: Path = ENV_FILE, embedded_env_file: Path = EMBEDDED_ENV_FILE) -> dict[str, str]:
    """Return the process's environment over `.env`; where those name no server, the embedded one's."""
    values = named_values(env_file)
    embedded = read_env_file(embedded_env_file)
    for server, compose_host in COMPOSE_HOSTS.items():
        if named_host(values, server) in ("", compose_host):
            values |= {name: value for name, value in embedded.items() if name.startswith(server)}
    return values


def named_values(env_file: Path = ENV_FILE) -> dict[str, str]:
    """Return the process's environment over `.env`."""
    values = read_env_file(env_file)
    # The flask command copies `.env` into the environment, as python-dotenv reads it: with ${NAME} replaced.
    copied = dotenv_values(env_file) if values else {}
    return values | {name: value for name, value in os.environ.items() if copied.get(name) != value}


def named_host(values: Mapping[str, str | None], server: str) -> str:
    """Return the host of POSTGRES or REDIS, or the URL or sentinels in its place; empty if none is named."""
    names = (*INSTEAD_OF_HOST[server], f"{server}_HOST")
    return next((value for name in names if (value := (values.get(name) or "").strip())), "")


def secret_variable(name: str) -> str | None:
    """Return a variable that is not a setting, from the environment or `.env`; None if it is empty."""
    return environment().get(name) or None
