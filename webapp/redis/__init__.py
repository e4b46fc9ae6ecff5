"""Redis clients: one that fails fast, and one that retries."""

from typing import Any

from redis import ConnectionPool, Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError
from redis.retry import Retry
from redis.sentinel import Sentinel, SentinelConnectionPool

from webapp.redis import connections
from webapp.redis.connections import ReplicaError
from webapp.redis.prefix import PrefixingPacker
from webapp.settings import Settings

__all__ = ["ReplicaError", "cache_redis", "queue_redis", "shown_address"]

# RESP2 needs no HELLO, which some proxies and older servers refuse, and neither do they know CLIENT SETINFO.
PLAIN = {"protocol": 2, "driver_info": None}


def cache_redis(settings: Settings) -> Redis:
    """Return a client for work that can do without Redis: short timeouts, no retries."""
    return _client(
        settings,
        socket_connect_timeout=0.25,
        socket_timeout=0.25,
        retry=Retry(NoBackoff(), 0),
        health_check_interval=0,
    )


def queue_redis(settings: Settings) -> Redis:
    """Return a client for the queue, which cannot do without Redis: longer timeouts, one reconnection.

    A silent server is not asked again, so that whoever waits for it soon opens another connection.
    """
    return _client(
        settings,
        socket_connect_timeout=2,
        socket_timeout=2,
        retry=Retry(NoBackoff(), 1, supported_errors=(ConnectionError,)),
    )


def shown_address(settings: Settings) -> str:
    """Return the server's address as a URL without user and password."""
    if settings.redis_sentinels:
        hosts = ",".join(_host_and_port(*each) for each in settings.redis_sentinels)
        return f"sentinel://{hosts}/{settings.redis_sentinel_name}/{settings.redis_db}"
    if settings.redis_host.startswith("/"):
        return f"unix://{settings.redis_host}?db={settings.redis_db}"
    scheme = "rediss" if settings.redis_ssl else "redis"
    return f"{scheme}://{_host_and_port(settings.redis_host, settings.redis_port)}/{settings.redis_db}"


def _host_and_port(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _client(settings: Settings, **timing: Any) -> Redis:
    options = PLAIN | timing | _login(settings.redis_user, settings.redis_password)
    options["db"] = settings.redis_db
    if settings.redis_prefix:
        options["command_packer"] = PrefixingPacker(settings.redis_prefix)
    if settings.redis_sentinels:
        return Redis.from_pool(_sentinel_pool(settings, options, timing))
    if settings.redis_host.startswith("/"):
        return Redis.from_pool(
            ConnectionPool(connections.SocketConnection, path=settings.redis_host, **options)
        )
    return Redis.from_pool(
        ConnectionPool(
            connections.TLSConnection if settings.redis_ssl else connections.TCPConnection,
            host=settings.redis_host,
            port=settings.redis_port,
            **options,
            **_certificates(settings),
        )
    )


def _sentinel_pool(settings: Settings, options: dict[str, Any], timing: dict[str, Any]) -> ConnectionPool:
    """Return a pool whose connections ask the sentinels for the primary, each time that they connect."""
    certificates = _certificates(settings)
    login = _login(settings.redis_sentinel_user, settings.redis_sentinel_password)
    of_sentinels = PLAIN | timing | login | certificates | {"ssl": settings.redis_ssl}
    return SentinelConnectionPool(
        settings.redis_sentinel_name,
        Sentinel(settings.redis_sentinels, sentinel_kwargs=of_sentinels),
        connection_class=(
            connections.SentinelTLSConnection if settings.redis_ssl else connections.SentinelTCPConnection
        ),
        **options,
        **certificates,
    )


def _login(user: str, password: str) -> dict[str, Any]:
    return {"username": user or None, "password": password or None}


def _certificates(settings: Settings) -> dict[str, Any]:
    if not settings.redis_ssl:
        return {}
    return {
        "ssl_ca_certs": settings.redis_ssl_ca or None,  # None: the system's
        "ssl_certfile": settings.redis_ssl_cert or None,
        "ssl_keyfile": settings.redis_ssl_key or None,
    }
