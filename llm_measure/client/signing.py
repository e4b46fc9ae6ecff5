"""Requests that are signed, each for a few minutes only.

Signing one takes 0.08 ms (p99: 0.12 ms), which no latency should have in it. So requests are built and signed
ahead: as many as there are streams before the level, and another one whenever one has been sent.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from time import monotonic_ns

from llm_measure import apis
from llm_measure.apis import SignedAPI, Signer
from llm_measure.endpoints import Endpoint
from llm_measure.records import SECOND_NS

MAX_AHEAD_BYTES = 64 << 20
MAX_AGE_NS = 120 * SECOND_NS  # of a signature when it is sent, since clocks differ


def signer_of(endpoint: Endpoint) -> Signer | None:
    """Return what signs the endpoint's requests; None if nothing has to. ValueError without credentials."""
    api = apis.named(endpoint.api)
    brings_key = endpoint.api_key is not None or bool(endpoint.token_command)
    has_key = brings_key or "authorization" in map(str.lower, endpoint.headers)
    return api.signer(endpoint.base_url) if isinstance(api, SignedAPI) and not has_key else None


class SignedRequests:
    """Returns signed requests by their indexes, which come in order: `first` and on by `step`."""

    def __init__(self, build: Callable[[int, str | None], bytes], signer: Signer, first: int, step: int):
        self._build = build
        self._signer = signer
        self._next, self._step = first, step
        self._ready: dict[int, tuple[int, bytes]] = {}  # with the moment of the signature
        self._bytes = 0

    def fill(self, number: int) -> None:
        """Build that number of requests, or as many as memory is for."""
        for _ in range(number):
            self._add()

    def __call__(self, index: int, key: str | None = None) -> bytes:
        """Return the request, and have another one built when the event loop has time for it; ValueError.

        `key` is that of requests that are not signed.
        """
        self._next = max(self._next, index + self._step)
        asyncio.get_running_loop().call_soon(self._add)
        signed_ns, request = self._ready.pop(index, (0, b""))
        self._bytes -= len(request)
        is_fresh = request and monotonic_ns() - signed_ns < MAX_AGE_NS
        return request if is_fresh else self._signer.signed(self._build(index, None))

    def _add(self) -> None:
        if self._bytes < MAX_AHEAD_BYTES:
            # Raised again when the request is due; beyond the end of a trace, none is.
            with suppress(ValueError, IndexError):
                self._ready[self._next] = monotonic_ns(), self._signer.signed(self._build(self._next, None))
                self._bytes += len(self._ready[self._next][1])
                self._next += self._step
