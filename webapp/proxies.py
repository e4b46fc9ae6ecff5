"""What proxies in front change: the client's address, scheme and host, and the prefix of every path."""

import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

from flask import current_app, request
from werkzeug.exceptions import NotFound

from webapp.settings import Settings

# Served without the prefix, too, for probes that ask the server directly.
UNPREFIXED = ("/healthz", "/readyz", "/metrics")
# In the environ of a request whose path does not begin with the prefix.
OUTSIDE = "llm_benchmark.outside_prefix"
# As X-Forwarded-For names an address: bare, or with a port.
WITH_PORT = re.compile(r"\[([^]]+)\](?::\d+)?|([\d.]+):\d+")


class Proxies:
    """WSGI middleware that believes X-Forwarded-* headers of TRUSTED_PROXIES, and removes URL_PREFIX.

    A proxy that connects to a Unix socket, and so has no address, is trusted: only users of this machine can.
    """

    def __init__(self, app: Any, settings: Settings):
        self._app = app
        self._prefix = settings.url_prefix
        self._trusts_every_peer = "*" in settings.trusted_proxies
        self._networks = [ip_network(each) for each in settings.trusted_proxies if each != "*"]

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Serve the request as the client sent it to the outermost proxy."""
        peer = environ.get("REMOTE_ADDR", "")
        is_trusted = not peer or self._trusts_every_peer or self._is_proxy(peer)
        if is_trusted:
            self._believe(environ)
        if self._prefix:
            removed = is_trusted and _first(environ, "PREFIX").rstrip("/") == self._prefix
            self._remove_prefix(environ, removed)
        return self._app(environ, start_response)

    def _believe(self, environ: dict[str, Any]) -> None:
        environ["REMOTE_ADDR"] = self._client(environ)
        if (scheme := _first(environ, "PROTO").lower()) in ("http", "https"):
            environ["wsgi.url_scheme"] = scheme
        if host := _first(environ, "HOST"):
            environ["HTTP_HOST"] = host

    def _client(self, environ: dict[str, Any]) -> str:
        """Return the last address in X-Forwarded-For that is not a proxy's.

        Each proxy appends the address that it sees, so what is left of that may be invented. `*` trusts
        whoever connects, not the addresses in the header.
        """
        client = environ.get("REMOTE_ADDR", "")
        for part in reversed(environ.get("HTTP_X_FORWARDED_FOR", "").split(",")):
            address = _address(part)
            if address is None:
                break
            client = str(address)
            if not self._is_proxy(client):
                break
        return client

    def _is_proxy(self, text: str) -> bool:
        if not self._networks:
            return False
        address = _address(text)
        return address is not None and any(address in network for network in self._networks)

    def _remove_prefix(self, environ: dict[str, Any], removed: bool) -> None:
        """Move the prefix from PATH_INFO to SCRIPT_NAME, unless a proxy has removed it."""
        path = environ["PATH_INFO"]
        environ["SCRIPT_NAME"] = self._prefix
        if removed or path in UNPREFIXED:
            return
        if f"{path}/".startswith(f"{self._prefix}/"):
            environ["PATH_INFO"] = path.removeprefix(self._prefix)
        else:
            environ[OUTSIDE] = True


def refuse_outside_prefix() -> None:
    """Raise NotFound if the path does not begin with URL_PREFIX."""
    if OUTSIDE in request.environ:
        prefix = current_app.extensions["settings"].url_prefix
        raise NotFound(
            f"Path outside URL_PREFIX={prefix}; a proxy that removes the prefix must set"
            " X-Forwarded-Prefix and be in TRUSTED_PROXIES"
        )


def _first(environ: dict[str, Any], name: str) -> str:
    """Return the first value of a forwarded header, which the outermost proxy has set."""
    return environ.get(f"HTTP_X_FORWARDED_{name}", "").partition(",")[0].strip()


def _address(text: str) -> IPv4Address | IPv6Address | None:
    text = text.strip()
    if match := WITH_PORT.fullmatch(text):
        text = match[1] or match[2]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    # A socket for both IP versions sees IPv4 clients like this.
    return getattr(address, "ipv4_mapped", None) or address
