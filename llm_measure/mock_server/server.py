"""The mock server: its protocol, and the one schedule that all streams follow."""

import asyncio
import hmac
import ssl
from functools import lru_cache
from heapq import heappop, heappush, heapreplace
from itertools import count
from time import monotonic_ns

import httptools

from llm_measure.client.clock import Alarm
from llm_measure.mock_server.answers import BODY_END, Answer, Kind, build, encode, plain, refusal
from llm_measure.mock_server.behaviour import Behaviour, FaultInjector, ServiceQueue
from llm_measure.mock_server.control import changed, shown
from llm_measure.mock_server.dialects import (
    CHAT,
    PATHS,
    AnyDialect,
    Dialect,
    EncodingDialect,
    Request,
    dialect_of,
)

KEY_HEADERS = frozenset((b"x-api-key", b"api-key", b"x-goog-api-key"))  # Anthropic's, Azure's, Gemini's
RATE_LIMIT = "injected rate limit (--rate-limit-rate)"
DEFAULT_TOKENS = 64  # of a request that asks for no maximum
MODEL_CARD = {"id": "mock", "object": "model", "created": 0, "owned_by": "mock"}


class Stream:
    """An answer in flight."""

    __slots__ = ("connection", "moments", "next", "pieces", "start_ns")

    def __init__(self, connection: "Connection", start_ns: int, moments: list[int], pieces: list[bytes]):
        self.connection = connection
        self.start_ns = start_ns
        self.moments = moments
        self.pieces = pieces
        self.next = 0


class Schedule:
    """What is due when, in one heap with one alarm for all connections."""

    def __init__(self, loop: asyncio.AbstractEventLoop):
        self._heap: list[tuple[int, int, Stream]] = []
        self._numbers = count()
        self._alarm = Alarm(loop, self._write_what_is_due)

    def add(self, stream: Stream) -> None:
        """Write the stream's pieces at their moments."""
        when = stream.start_ns + stream.moments[0]
        heappush(self._heap, (when, next(self._numbers), stream))
        if self._heap[0][2] is stream:
            self._alarm.set(when)

    def _write_what_is_due(self) -> None:
        heap, now = self._heap, monotonic_ns()
        while heap and heap[0][0] <= now:
            _, number, stream = heap[0]
            position = stream.next
            stream.connection.write(stream.pieces[position])
            stream.next = position = position + 1
            if position < len(stream.pieces) and stream.connection.stream is stream:
                heapreplace(heap, (stream.start_ns + stream.moments[position], number, stream))
            else:
                heappop(heap)
                stream.connection.end(stream)
        if heap:
            self._alarm.set(heap[0][0])


class MockServer:
    """The state that all connections share."""

    def __init__(self, behaviour: Behaviour, loop: asyncio.AbstractEventLoop):
        self.schedule = Schedule(loop)
        self.streams = 0
        self._checked = 0  # number of answers in JSON, and calls of tools
        self._start = behaviour
        self.behave(behaviour)

    def behave(self, behaviour: Behaviour) -> None:
        """Answer the requests that arrive from now on like this; faults are drawn from the seed again."""
        self.behaviour = behaviour
        self._faults = FaultInjector(behaviour)
        self._build = lru_cache(maxsize=1024)(lambda kind: build(kind, behaviour))
        self._encode = lru_cache(maxsize=64)(lambda dialect, asked: encode(dialect, asked, behaviour))
        self._queue = ServiceQueue(behaviour.servers) if behaviour.servers else None
        self._steady: dict[tuple[int, ...], list[int]] = {}

    async def listen(
        self, host: str, port: int, tls: ssl.SSLContext | None = None, is_shared: bool = False
    ) -> asyncio.Server:
        """Accept connections, on a port that may be shared; OSError if the address is unusable."""
        loop = asyncio.get_running_loop()
        return await loop.create_server(
            lambda: Connection(self), host, port, ssl=tls, backlog=4096, reuse_port=is_shared
        )

    def is_allowed(self, authorization: bytes) -> bool:
        """Return whether the header holds the key, if one is required."""
        key = self.behaviour.api_key
        return key is None or hmac.compare_digest(authorization, f"Bearer {key}".encode())

    def control(self, method: bytes, body: bytes) -> bytes:
        """Return the response to a request to the control, which shows or changes the behaviour."""
        if method == b"PATCH":
            try:
                self.behave(changed(self.behaviour, body))
            except ValueError as error:
                return refusal(CHAT, 400, str(error))
        elif method == b"DELETE":
            self.behave(self._start)
        elif method != b"GET":
            return refusal(CHAT, 405, "method must be GET, PATCH or DELETE", "allow: GET, PATCH, DELETE")
        return plain(200, shown(self.behaviour))

    def built(self, dialect: AnyDialect, body: bytes, model: str | None) -> tuple[Answer, bool]:
        """Return the answer to a request, and whether it is streamed; raises as `Dialect.request` does."""
        if isinstance(dialect, EncodingDialect):
            return self._encode(dialect, dialect.request(body)), False
        request = dialect.request(body, model)
        return self._build(self._kind(dialect, request)), request.stream

    def answer(
        self, connection: "Connection", dialect: AnyDialect, built: tuple[Answer, bool], received_ns: int
    ) -> None:
        """Write the answer, or schedule it."""
        fate = self._faults.fate()
        if fate == "error":
            connection.write(refusal(dialect, 500, "injected error (--error-rate)"))
            return
        if fate == "rate_limit":
            connection.write(refusal(dialect, 429, RATE_LIMIT, "retry-after: 1"))
            return
        self.streams += 1
        answer, is_streamed = built
        moments = self._moments(answer)
        if self._queue:
            wait_ns = self._queue.wait_ns(received_ns, moments[-1])
            moments = [wait_ns + moment for moment in moments]
        if not is_streamed:
            moments, pieces = moments[-1:], [answer.whole]
        else:
            pieces = answer.pieces
            if answer.first:
                connection.write(answer.first)
            if self.behaviour.hold_open:
                moments = [*moments, moments[-1] + round(self.behaviour.hold_open * 1e9)]
                pieces = [*pieces, BODY_END]
        if fate in ("stall", "truncate"):
            half = len(pieces) // 2
            rest = [] if fate == "stall" else [pieces[half][: len(pieces[half]) // 2]]
            pieces = pieces[:half] + rest
            connection.broken = fate
        connection.stream = Stream(connection, received_ns, moments, pieces)
        if pieces:
            self.schedule.add(connection.stream)

    def _kind(self, dialect: Dialect, request: Request) -> Kind:
        behaviour, asked = self.behaviour, request.maximum
        most = behaviour.output_tokens
        if most is None:
            most = asked or DEFAULT_TOKENS
        return Kind(
            dialect=dialect,
            model=request.model,
            tokens=min(most, asked) if asked else most,
            is_cut=asked is not None and asked <= most,
            prompt_tokens=behaviour.prompt_tokens(request.prompt_tokens),
            usage_last=request.usage_last and behaviour.usage != "none",
            usage_each=request.usage_each and behaviour.usage == "requested",
            said=request.said,
            is_valid=request.said == "words" or self._next_is_valid(),
        )

    def _next_is_valid(self) -> bool:
        """Spread the invalid answers evenly over those that are checked, so that their number is known."""
        self._checked += 1
        ratio = self.behaviour.invalid_answers
        return int(self._checked * ratio) == int((self._checked - 1) * ratio)

    def _moments(self, answer: Answer) -> list[int]:
        if not self._faults.is_steady:
            return self._faults.moments(answer.steps, self.streams)
        if answer.steps not in self._steady:
            self._steady[answer.steps] = self._faults.moments(answer.steps, 1)
        return self._steady[answer.steps]


class Connection(asyncio.Protocol):
    """One client; one request at a time."""

    def __init__(self, server: MockServer):
        self._server = server
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport
        self._url = b""
        self._authorization = b""
        self._body: list[bytes] = []
        self.stream: Stream | None = None
        self.broken: str | None = None  # stall or truncate

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = transport  # type: ignore[assignment]

    def connection_lost(self, exc: Exception | None) -> None:
        """Drop the stream; its pieces are discarded when they are due."""
        if self.stream:
            self.stream = None
            self._server.streams -= 1

    def data_received(self, data: bytes) -> None:
        """Feed the parser, which calls the methods below."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._transport.close()
        except httptools.HttpParserError:
            self.write(refusal(CHAT, 400, "the request is not HTTP", "connection: close"))
            self._transport.close()

    def on_message_begin(self) -> None:
        """Forget the previous request."""
        self._url = self._authorization = b""
        self._body = []

    def on_url(self, url: bytes) -> None:
        """Take the path, possibly in parts."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take the key."""
        name = name.lower()
        if name == b"authorization":
            self._authorization = value
        elif name in KEY_HEADERS:
            self._authorization = b"Bearer " + value

    def on_body(self, body: bytes) -> None:
        """Take the body, possibly in parts."""
        self._body.append(body)

    def on_message_complete(self) -> None:
        """Answer."""
        received_ns = monotonic_ns()
        if self.stream:  # pipelining
            self._transport.close()
            return
        path = self._url.partition(b"?")[0].decode("latin-1")
        found = dialect_of(path)
        if path == "/health":
            self.write(plain(200, {"status": "ok"}))
        elif not self._server.is_allowed(self._authorization):
            self.write(refusal(found[0] if found else CHAT, 401, "API key missing or wrong"))
        elif path == "/control" and self._server.behaviour.control:
            self.write(self._server.control(self._parser.get_method(), b"".join(self._body)))
        elif path == "/v1/models":
            self.write(plain(200, {"object": "list", "data": [MODEL_CARD]}))
        elif found is None:
            known = ", ".join(PATHS)
            self.write(refusal(CHAT, 404, f"unknown path; expected one of {known}, /v1/models, /health"))
        else:
            self._answer(*found, received_ns)

    def _answer(self, dialect: AnyDialect, model: str | None, received_ns: int) -> None:
        """Answer a request to an API."""
        if self._parser.get_method() != b"POST":
            self.write(refusal(dialect, 405, "method must be POST", "allow: POST"))
            return
        try:
            built = self._server.built(dialect, b"".join(self._body), model)
        except ValueError as error:  # of which JSON's errors are kinds
            self.write(refusal(dialect, 400, f"body: {error}"))
            return
        self._server.answer(self, dialect, built, received_ns)

    def write(self, data: bytes) -> None:
        """Send, if the client is still connected."""
        if not self._transport.is_closing():
            self._transport.write(data)

    def end(self, stream: Stream) -> None:
        """End a stream whose pieces are all written, or whose client has disconnected."""
        if self.stream is not stream or self.broken == "stall":
            return
        self.stream = None
        self._server.streams -= 1
        if self.broken == "truncate":
            self._transport.close()
