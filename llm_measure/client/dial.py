"""Opening connections: to a host or a Unix socket, plain or by TLS, directly or through a proxy."""

import asyncio
import ssl
from urllib.parse import urlsplit

from llm_measure.client import tls
from llm_measure.client.connection import Connection
from llm_measure.client.http2 import HTTP2Connection
from llm_measure.client.proxies import Proxy, Tunnel, proxy_of
from llm_measure.endpoints import Endpoint
from llm_measure.load.requests import url_path
from llm_measure.results import HTTPVersion

HTTP_1: HTTPVersion = "1.1"
HTTP_2: HTTPVersion = "2"
PROTOCOLS: dict[HTTPVersion, type[Connection]] = {HTTP_1: Connection, HTTP_2: HTTP2Connection}
ALPN = {HTTP_1: "http/1.1", HTTP_2: "h2"}
# How OpenSSL names the alert of a server that has no HTTP/1.1.
NOT_OFFERED = ("TLSV1_ALERT_NO_APPLICATION_PROTOCOL", "NO_APPLICATION_PROTOCOL")

ENDED = "the connection ended, or a response came, before a request"


class DialError(Exception):
    """A connection could not be opened; `failure` is the error class."""

    def __init__(self, failure: str, detail: str):
        super().__init__(detail)
        self.failure = failure


class Dialer:
    """Opens connections to one endpoint, all of the same version of HTTP."""

    def __init__(self, endpoint: Endpoint, path: str | None = None):
        """`path`, below the base URL, is requested instead of the API's. ValueError for an unusable file."""
        url = urlsplit(endpoint.base_url)
        self._socket_path = endpoint.socket_path
        self._host, self._port = url.hostname or "", url.port or (443 if url.scheme == "https" else 80)
        self._tls = {version: tls.context(endpoint, offered) for version, offered in ALPN.items()}
        has_tls = self._tls[HTTP_1] is not None
        self._proxy = proxy_of(endpoint)
        # A proxy that forwards a plain request needs the whole URL.
        forwarding = None if has_tls else self._proxy
        path = url_path(endpoint, path)
        self.request_target = f"http://{url.netloc}{path}" if forwarding else path
        self.proxy_headers = forwarding.header if forwarding else b""
        # What no text may show.
        self.secrets = (*endpoint.secrets, *(self._proxy.secrets if self._proxy else ()))
        self.http_version = HTTP_2 if endpoint.http2 else HTTP_1
        self._is_settled = endpoint.http2 or not has_tls

    async def open(self) -> Connection:
        """Return an open connection; raises DialError."""
        try:
            connection = await (self._open(self.http_version) if self._is_settled else self._settle())
            try:
                await connection.ready()
                # A server may refuse the client's certificate while HTTP/2 is tried on another connection.
                if not connection.is_open:
                    raise connection.lost_by or ConnectionError(ENDED)
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
        if connection is not None and self.http_version == HTTP_1:
            return connection
        if connection is not None:
            connection.close()
        return await self._open(HTTP_2)

    async def _agrees(self, version: HTTPVersion) -> bool:
        """Return whether the server agrees to this version of HTTP if it alone is offered."""
        try:
            connection = await self._open(version, Connection)
        except OSError:
            return False
        connection.close()
        return connection.agreed == ALPN[version]

    async def _open(self, version: HTTPVersion, protocol: type[Connection] | None = None) -> Connection:
        loop, protocol, context = (
            asyncio.get_running_loop(),
            protocol or PROTOCOLS[version],
            self._tls[version],
        )
        if self._socket_path:
            return (await loop.create_unix_connection(protocol, self._socket_path))[1]
        if self._proxy and context:
            return await self._open_through(self._proxy, context, protocol)
        if self._proxy:
            return (await loop.create_connection(protocol, self._proxy.host, self._proxy.port))[1]
        name = self._host if context else None
        _, connection = await loop.create_connection(
            protocol, self._host, self._port, ssl=context, server_hostname=name
        )
        return connection

    async def _open_through(
        self, proxy: Proxy, context: ssl.SSLContext, protocol: type[Connection]
    ) -> Connection:
        """Return a connection by TLS through a tunnel."""
        loop = asyncio.get_running_loop()
        tunnel, connection = Tunnel(self._host, self._port, proxy), protocol()
        transport, _ = await loop.create_connection(lambda: tunnel, proxy.host, proxy.port)
        try:
            await tunnel.opened
            secured = await loop.start_tls(transport, connection, context, server_hostname=self._host)
        except BaseException:
            transport.abort()
            raise
        connection.connection_made(secured)  # type: ignore[arg-type]
        return connection
