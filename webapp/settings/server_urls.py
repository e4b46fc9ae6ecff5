"""DATABASE_URL and REDIS_URL, accepted in place of the settings that name a server one by one."""

from collections.abc import Mapping
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

DATABASE_SCHEMES = ("postgresql", "postgres", "postgresql+psycopg2")
REDIS_SCHEMES = ("redis", "rediss", "unix")
# The parameters of each URL, and the settings that they replace.
DATABASE_PARAMETERS = {
    "host": "POSTGRES_HOST",  # the folder of a Unix socket
    "sslmode": "POSTGRES_SSLMODE",
    "sslrootcert": "POSTGRES_SSLROOTCERT",
    "sslcert": "POSTGRES_SSLCERT",
    "sslkey": "POSTGRES_SSLKEY",
}
REDIS_PARAMETERS = {
    "db": "REDIS_DB",
    "ssl_ca_certs": "REDIS_SSL_CA",
    "ssl_certfile": "REDIS_SSL_CERT",
    "ssl_keyfile": "REDIS_SSL_KEY",
}


def named_by_urls(environ: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Return the single settings that the URLs name, and the URLs' faults."""
    values: dict[str, str] = {}
    faults = []
    for name, read in (("DATABASE_URL", _database), ("REDIS_URL", _redis)):
        url = environ.get(name, "").strip()
        if not url:
            continue
        try:
            values |= read(url)
        except ValueError as error:
            faults.append(f"{name}=(hidden): {error}")
    return values, faults


def _database(url: str) -> dict[str, str]:
    parts = _split(url, DATABASE_SCHEMES)
    found = _login_and_host(parts, "POSTGRES")
    if name := unquote(parts.path.removeprefix("/")):
        found["POSTGRES_DB"] = name
    return _with_host(found | _parameters(parts, DATABASE_PARAMETERS), "POSTGRES")


def _redis(url: str) -> dict[str, str]:
    parts = _split(url, REDIS_SCHEMES)
    found = _login_and_host(parts, "REDIS")
    found["REDIS_SSL"] = "true" if parts.scheme == "rediss" else "false"
    if parts.scheme == "unix":
        found["REDIS_HOST"] = unquote(parts.path)
    elif number := parts.path.strip("/"):
        found["REDIS_DB"] = number
    return _with_host(found | _parameters(parts, REDIS_PARAMETERS), "REDIS")


def _split(url: str, schemes: tuple[str, ...]) -> SplitResult:
    parts = urlsplit(url)
    if parts.scheme not in schemes:
        raise ValueError(f"must begin with {', '.join(f'{scheme}://' for scheme in schemes)}")
    return parts


def _login_and_host(parts: SplitResult, server: str) -> dict[str, str]:
    """Return what the URL names of user, password, host and port; what it does not name is left out."""
    try:
        port = parts.port
    except ValueError:
        raise ValueError("must name one host and a port from 1 to 65535") from None
    found = {
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": unquote(parts.hostname or ""),
        "PORT": "" if port is None else str(port),
    }
    return {f"{server}_{name}": value for name, value in found.items() if value}


def _parameters(parts: SplitResult, known: dict[str, str]) -> dict[str, str]:
    given = dict(parse_qsl(parts.query, keep_blank_values=True))
    if unknown := sorted(given.keys() - known.keys()):
        raise ValueError(f"parameter {unknown[0]!r}: unknown; expected one of {', '.join(known)}")
    return {known[name]: value for name, value in given.items()}


def _with_host(found: dict[str, str], server: str) -> dict[str, str]:
    if not found.get(f"{server}_HOST"):
        raise ValueError("must name a host")
    return found
