"""Opening connections: plain, by TLS, and through the proxy that the environment names."""

import asyncio
import base64
import ssl
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from llm_measure.client.connection import Connection
from llm_measure.client.http2 import HTTP2Connection
from llm_measure.client.limits import MAX_BARE_BYTES
from llm_measure.endpoints import Endpoint
from llm_measure.load.requests import url_path
from llm_measure.results import HTTPVersion

HTTP_1: HTTPVersion = "1.1"
HTTP_2: HTTPVersion = "2"
PROTOCOLS: dict[HTTPVersion, type[Connection]] = {HTTP_1: Connection, HTTP_2: HTTP2Connection}
ALPN = {HTTP_1: "http/1.1", HTTP_2: "h2"}
# How OpenSSL names the alert of a server that has no HTTP/1.1.
NOT_OFFERED = ("TLSV1_ALERT_NO_APPLICATION_PROTOCOL", "NO_APPLICATION_PROTOCOL")


class DialError(Exception):
    """A connection could not be opened; `failure` is the error class."""

    def __init__(self, failure: str, detail: str):
        super().__init__(detail)
        self.failure = failure


@dataclass(frozen=True)
class Address:
    """A host and a port."""

    host: str
    port: int

    @classmethod
    def of(cls, url: SplitResult) -> "Address":
        """Return the URL's host and port, by default its scheme's port."""
        return cls(url.hostname or "", url.port or (443 if url.scheme == "https" else 80))


class Dialer:
    """Opens connections to one endpoint."""

    def __init__(self, endpoint: Endpoint, path: str | None = None):
        """`path`, below the base URL, is requested instead of the API's."""
        url = urlsplit(endpoint.base_url)
        self._target = Address.of(url)
        self._tls = {version: _context(version) for version in ALPN} if url.scheme == "https" else None
        self.http_version = HTTP_2 if endpoint.http2 else HTTP_1
        self._is_settled = endpoint.http2 or self._tls is None
        self._proxy = _proxy(url)
        # A proxy that forwards a plain request needs the whole URL.
        path = url_path(endpoint, path)
        whole = self._proxy is not None and self._tls is None
        self.request_target = f"http://{url.netloc}{path}" if whole else path
        self.proxy_headers = _credentials(self._proxy) if whole and self._proxy else b""
        self.secrets = _secrets(self._proxy) if self._proxy else ()

    async def open(self) -> Connection:
        """Return an open connection; raises DialError."""
        try:
            connection = await (self._open(self.http_version) if self._is_settled else self._settle())
            try:
                await connection.ready()
            except BaseException:
                connection.close()
                raise
            return connection
        except ssl.SSLError as error:
            raise DialError("tls", getattr(error, "verify_message", "") or str(error)) from None
        except (OSError, UnicodeError) as error:
            raise DialError("connect", str(error) or type(error).__name__) from None

    async def _settle(self) -> Connection:
        """Open a connection of the version that the server has; of HTTP/1.1 if it has both.

        HTTP/1.1 alone is offered first, since most servers that have both choose HTTP/2. Those that have it
        not refuse, or agree on nothing, as servers without such agreements do.
        """
        connection = None
        try:
            connection = await self._open(HTTP_1)
        except ssl.SSLError as error:
            if error.reason not in NOT_OFFERED:
                raise
        if connection is None or (not connection.agreed and await self._agrees(HTTP_2)):
            self.http_version = HTTP_2
        self._is_settled = True
        if connection is None or self.http_version == HTTP_2:
            if connection is not None:
                connection.close()
            return await self._open(self.http_version)
        return connection

    async def _agrees(self, version: HTTPVersion) -> bool:
        """Return whether the server agrees to this version of HTTP if it alone is offered."""
        try:
            connection = await self._open(version, Connection)
        except OSError:
            return False
        connection.close()
        return connection.agreed == ALPN[version]

    async def _open(self, version: HTTPVersion, protocol: type[Connection] | None = None) -> Connection:
        loop, protocol = asyncio.get_running_loop(), protocol or PROTOCOLS[version]
        tls = self._tls[version] if self._tls else None
        if self._proxy is None:
            name = self._target.host if tls else None
            _, connection = await loop.create_connection(
                protocol, self._target.host, self._target.port, ssl=tls, server_hostname=name
            )
            return connection
        proxy = Address.of(self._proxy)
        if tls is None:
            return (await loop.create_connection(protocol, proxy.host, proxy.port))[1]
        tunnel = _Tunnel(self._target, _credentials(self._proxy))
        transport, _ = await loop.create_connection(lambda: tunnel, proxy.host, proxy.port)
        try:
            await tunnel.opened
            connection = protocol()
            secured = await loop.start_tls(transport, connection, tls, server_hostname=self._target.host)
        except BaseException:
            transport.abort()
            raise
        connection.connection_made(secured)  # type: ignore[arg-type]
        return connection


def _context(version: HTTPVersion) -> ssl.SSLContext:
    """Return what TLS offers and trusts."""
    context = ssl.create_default_context()
    context.set_alpn_protocols([ALPN[version]])
    return context


class _Tunnel(asyncio.Protocol):
    """Asks a proxy for a tunnel to the target."""

    def __init__(self, target: Address, credentials: bytes):
        host = f"[{target.host}]" if ":" in target.host else target.host
        where = f"{host}:{target.port}".encode()
        self._request = b"CONNECT %b HTTP/1.1\r\nHost: %b\r\n%b\r\n" % (where, where, credentials)
        self._received = b""
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.write(self._request)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
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
        self._settle(exc or ConnectionError("the proxy closed the connection"))

    def _settle(self, error: Exception | None) -> None:
        if self.opened.done():
            return
        if error:
            self.opened.set_exception(error)
        else:
            self.opened.set_result(None)


def _proxy(url: SplitResult) -> SplitResult | None:
    """Return the proxy by http_proxy, https_proxy and no_proxy, as curl and Python's urllib read them.

    This machine is asked without a proxy, to which localhost is another machine.
    """
    host = url.hostname or ""
    named = getproxies().get(url.scheme)
    if not named or _is_local(host) or proxy_bypass(host):
        return None
    return urlsplit(named if "://" in named else f"http://{named}")


def _is_local(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _credentials(proxy: SplitResult) -> bytes:
    if proxy.username is None:
        return b""
    return b"Proxy-Authorization: Basic %b\r\n" % _basic(proxy).encode()


def _basic(proxy: SplitResult) -> str:
    pair = f"{unquote(proxy.username or '')}:{unquote(proxy.password or '')}"
    return base64.b64encode(pair.encode()).decode()


def _secrets(proxy: SplitResult) -> tuple[str, ...]:
    """Return what no message may show of the proxy's credentials."""
    return (unquote(proxy.password), _basic(proxy)) if proxy.password else ()
