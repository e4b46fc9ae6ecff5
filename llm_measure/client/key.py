"""The key of a client's requests: one for the whole level, or a token that a command renews."""

import asyncio
import time
from collections.abc import Callable
from time import monotonic_ns

from llm_measure.client.dial import DialError
from llm_measure.client.token_command import Token, TokenCommand, TokenError
from llm_measure.endpoints import Endpoint
from llm_measure.records import Record

# A token is renewed when this part of its time is left, but at most this many seconds ahead.
AHEAD, MOST_AHEAD_S = 0.2, 60.0
# The least time between two runs of the command, doubled with each, so that no endpoint that refuses every
# token has a command compete with the measurement for a processor.
SHORTEST_WAIT_S, LONGEST_WAIT_S = 1.0, 60.0


class Key:
    """The API key or, if a command prints it, a token that is renewed before it expires and after a 401.

    The old token is used until the new one is there. If it has expired or was refused, requests wait for the
    new one, which counts as connecting. `learn` is called with each one, since it is a secret.
    """

    def __init__(self, endpoint: Endpoint, token: Token | None, learn: Callable[[str | None], None]):
        """`token` is the first one of the endpoint's command, if it has one."""
        self.text = token.text if token else endpoint.api_key
        learn(self.text)
        self._expires_at = token.expires_at if token else None
        self._command = endpoint.token_command
        self._learn = learn
        self._is_refused = False
        self._problem: str | None = None  # why the last renewal failed
        self._renewal: asyncio.Task[None] | None = None
        self._running: TokenCommand | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._wait_s = SHORTEST_WAIT_S
        self._not_before = 0.0  # the next run, by the monotonic clock

    async def current(self, record: Record) -> str | None:
        """Return the key for the record's request; DialError if stopped while waiting for it."""
        if self._renewal is not None and self._is_spent:
            begun = monotonic_ns()
            try:
                await asyncio.wait((self._renewal,))
            except asyncio.CancelledError:
                raise DialError("cancelled", "stopped while waiting for a token") from None
            finally:
                record.connect_ns += monotonic_ns() - begun
        return self.text

    def refused(self, text: str | None) -> str | None:
        """Take note that a request with that key was answered 401; return why the last renewal failed."""
        if text == self.text:  # else it was sent before the renewal
            self._is_refused = True
            if self._command and time.monotonic() >= self._not_before:
                self._renew()
        return self._problem

    def start(self) -> None:
        """Renew the key in time, if it is known when it expires; called within the event loop."""
        if self._expires_at is not None:
            left_s = self._expires_at - time.time()
            until_s = max(left_s - min(AHEAD * left_s, MOST_AHEAD_S), self._not_before - time.monotonic(), 0)
            self._timer = asyncio.get_running_loop().call_later(until_s, self._renew)

    def close(self) -> None:
        """Renew the key no longer."""
        if self._timer:
            self._timer.cancel()
        if self._renewal:
            self._renewal.cancel()
        if self._running:
            self._running.kill()

    @property
    def _is_spent(self) -> bool:
        return self._is_refused or (self._expires_at is not None and time.time() >= self._expires_at)

    def _renew(self) -> None:
        if self._renewal is None:
            if self._timer:
                self._timer.cancel()
            self._renewal = asyncio.get_running_loop().create_task(self._ask())

    async def _ask(self) -> None:
        """Run the command, and wait for it in a thread."""
        self._not_before = time.monotonic() + self._wait_s
        self._wait_s = min(2 * self._wait_s, LONGEST_WAIT_S)
        try:
            self._running = TokenCommand(self._command)
            token = await asyncio.to_thread(self._running.result)
        except TokenError as error:
            self._problem = str(error)
        else:
            self._learn(token.text)
            self.text, self._expires_at = token.text, token.expires_at
            self._is_refused, self._problem = False, None
        self._renewal = self._running = None
        self.start()
