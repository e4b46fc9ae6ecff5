"""Opening connections: to a host or a Unix socket, plain or by TLS, directly or through a proxy."""

import asyncio
import ssl
from urllib.parse import urlsplit

from llm_measure.client import tls
from llm_measure.client.connection import Connection
from llm_measure.client.proxies import Proxy, Tunnel, proxy_of
from llm_measure.endpoints import Endpoint
from llm_measure.load.requests import url_path


class DialError(Exception):
    """A connection could not be opened; `failure` is the error class."""

    def __init__(self, failure: str, detail: str):
        super().__init__(detail)
        self.failure = failure


class Dialer:
    """Opens connections to one endpoint."""

    connection = Connection  # the protocol that is spoken

    def __init__(self, endpoint: Endpoint, path: str | None = None):
        """`path`, below the base URL, is requested instead of the API's. ValueError for an unusable file."""
        url = urlsplit(endpoint.base_url)
        self._socket_path = endpoint.socket_path
        self._host, self._port = url.hostname or "", url.port or (443 if url.scheme == "https" else 80)
        self._tls = tls.context(endpoint)
        self._proxy = proxy_of(endpoint)
        # A proxy that forwards a plain request needs the whole URL.
        forwarding = self._proxy if self._tls is None else None
        path = url_path(endpoint, path)
        self.request_target = f"http://{url.netloc}{path}" if forwarding else path
        self.proxy_headers = forwarding.header if forwarding else b""
        self.secrets = self._proxy.secrets if self._proxy else ()

    async def open(self) -> Connection:
        """Return an open connection; raises DialError."""
        try:
            return await self._open()
        except ssl.SSLError as error:
            raise DialError("tls", getattr(error, "verify_message", "") or str(error)) from None
        except (OSError, UnicodeError) as error:
            raise DialError("connect", str(error) or type(error).__name__) from None

    async def _open(self) -> Connection:
        loop = asyncio.get_running_loop()
        if self._socket_path:
            return (await loop.create_unix_connection(self.connection, self._socket_path))[1]
        if self._proxy and self._tls:
            return await self._open_through(self._proxy, self._tls)
        if self._proxy:
            return (await loop.create_connection(self.connection, self._proxy.host, self._proxy.port))[1]
        name = self._host if self._tls else None
        _, connection = await loop.create_connection(
            self.connection, self._host, self._port, ssl=self._tls, server_hostname=name
        )
        return connection

    async def _open_through(self, proxy: Proxy, context: ssl.SSLContext) -> Connection:
        """Return a connection by TLS through a tunnel."""
        loop = asyncio.get_running_loop()
        tunnel, connection = Tunnel(self._host, self._port, proxy), self.connection()
        transport, _ = await loop.create_connection(lambda: tunnel, proxy.host, proxy.port)
        try:
            await tunnel.opened
            secured = await loop.start_tls(transport, connection, context, server_hostname=self._host)
        except BaseException:
            transport.abort()
            raise
        connection.connection_made(secured)  # type: ignore[arg-type]
        return connection
