"""The proxy of an endpoint: by its options, or by the environment."""

import asyncio
import base64
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from llm_measure.client.limits import MAX_BARE_BYTES
from llm_measure.endpoint_checks import NO_PROXY
from llm_measure.endpoints import Endpoint, encoded
from llm_measure.variables import filled


@dataclass(frozen=True)
class Proxy:
    """A proxy and its credentials."""

    host: str
    port: int
    header: bytes = b""  # with the credentials, if any
    secrets: tuple[str, ...] = ()  # of the credentials, which no message may show


def proxy_of(endpoint: Endpoint) -> Proxy | None:
    """Return the proxy to ask, None for none: the endpoint's own or, without that, the environment's."""
    if endpoint.proxy == NO_PROXY or endpoint.socket_path:
        return None
    if endpoint.proxy:
        return _parsed(urlsplit(filled(endpoint.proxy, endpoint.variables, encoded)))
    return _of_environment(urlsplit(endpoint.base_url))


def _of_environment(url: SplitResult) -> Proxy | None:
    """Return the proxy by http_proxy, https_proxy and no_proxy, as curl and Python's urllib read them.

    This machine is asked without a proxy, to which localhost is another machine. ValueError for an unusable
    one.
    """
    host = url.hostname or ""
    named = getproxies().get(url.scheme)
    if not named or _is_local(host) or proxy_bypass(host):
        return None
    try:
        return _parsed(urlsplit(named if "://" in named else f"http://{named}"))
    except ValueError:  # which shows a part of it, perhaps of the password
        raise ValueError(f"{url.scheme}_proxy: must be http://[USER:PASSWORD@]HOST:PORT") from None


def _is_local(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _parsed(url: SplitResult) -> Proxy:
    host, port = url.hostname or "", url.port or (443 if url.scheme == "https" else 80)
    if url.username is None:
        return Proxy(host, port)
    user, password = unquote(url.username), unquote(url.password or "")
    basic = base64.b64encode(f"{user}:{password}".encode()).decode()
    header = b"Proxy-Authorization: Basic %b\r\n" % basic.encode()
    # Without a password, the user may be the secret.
    return Proxy(host, port, header, (password or user, basic))


class Tunnel(asyncio.Protocol):
    """Asks a proxy for a tunnel to host and port; `opened` is done when it is open, or raises OSError."""

    def __init__(self, host: str, port: int, proxy: Proxy):
        where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._request = f"CONNECT {where} HTTP/1.1\r\nHost: {where}\r\n".encode() + proxy.header + b"\r\n"
        self._received = b""
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask."""
        transport.write(self._request)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        """Read the answer's head."""
        self._received += data
        head, end, _ = self._received.partition(b"\r\n\r\n")
        status = head.partition(b"\r\n")[0].decode("latin-1")
        if len(head) > MAX_BARE_BYTES:
            self._settle(ConnectionError(f"the proxy's head is longer than {MAX_BARE_BYTES} bytes: {status}"))
        elif end and status.split(" ")[1:2] == ["200"]:
            self._settle(None)
        elif end:
            self._settle(ConnectionError(f"the proxy answers {status}"))

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail unless it is open."""
        self._settle(exc or ConnectionError("the proxy closed the connection"))

    def _settle(self, error: Exception | None) -> None:
        if self.opened.done():
            return
        if error:
            self.opened.set_exception(error)
        else:
            self.opened.set_result(None)
