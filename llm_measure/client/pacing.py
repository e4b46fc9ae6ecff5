"""When each request or conversation of a share begins, and when the share is over."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable
from time import monotonic_ns

from llm_measure.client.clock import Alarm
from llm_measure.client.outcome import Outcome
from llm_measure.client.share import Share
from llm_measure.records import SECOND_NS
from llm_measure.workloads import MAX_PAUSE_S, MIN_PAUSE_S, Load

WAKE_S = 0.001  # by which a pause outlasts the level, so that it ends for certain after it
# Sends the request, or holds the conversation, of a number within the share, intended for a moment.
Perform = Callable[[int, int], Awaitable[Outcome]]


class Pacer:
    """Lets `perform` begin what a share's plan says, on the running loop: by a rate, or in streams."""

    def __init__(self, load: Load, share: Share, perform: Perform):
        self._load = load
        self._share = share
        self._perform = perform
        self._loop = asyncio.get_running_loop()
        self._alarm = Alarm(self._loop, self._begin_what_is_due)
        self._over = self._loop.create_future()
        self._all_sent = asyncio.Event()
        self._in_flight: set[asyncio.Task[None]] = set()
        self._plan: deque[int] = deque()  # moments still to come
        self._stopped = False
        self.begun = 0  # number of requests or, with turns, of conversations
        self.last_send_ns: int | None = None  # when a duration ends

    async def run(self, begin_ns: int) -> None:
        """Begin what is planned from that moment on, and wait until all has ended; raises what goes wrong."""
        self._plan = deque(begin_ns + start for start in self._share.starts)
        self._begin_what_is_due()
        self._end_if_over()  # a share may have no moment
        await self._over

    def stop(self) -> None:
        """Begin nothing more, and cancel what is in flight."""
        self._stopped = True
        for task in self._in_flight:
            task.cancel()
        self._plan.clear()
        self._end_if_over()

    def close(self) -> None:
        """Wake at no moment any more."""
        self._alarm.close()

    def raise_failure_of(self, task: asyncio.Task[None]) -> None:
        """Let `run` raise what went wrong in the task."""
        if not task.cancelled() and (error := task.exception()) and not self._over.done():
            self._over.set_exception(error)

    def _begin_what_is_due(self) -> None:
        plan, now = self._plan, monotonic_ns()
        begin = self._run_stream if self._load.concurrency else self._send_one
        while plan and plan[0] <= now:
            task = self._loop.create_task(begin(plan.popleft()))
            self._in_flight.add(task)
            task.add_done_callback(self._done)
        if plan:
            self._alarm.set(plan[0])

    def _done(self, task: asyncio.Task[None]) -> None:
        self._in_flight.discard(task)
        self.raise_failure_of(task)
        self._end_if_over()

    def _end_if_over(self) -> None:
        if not self._plan and not self._in_flight and not self._over.done():
            self._over.set_result(None)

    async def _send_one(self, intended_ns: int) -> None:
        number = self._next_number()
        if number is not None:
            await self._perform(number, intended_ns)

    async def _run_stream(self, intended_ns: int) -> None:
        """Send one request, or hold one conversation, after another: a stream of a closed loop."""
        pause_s = MIN_PAUSE_S
        while (number := self._next_number()) is not None:
            outcome = await self._perform(number, intended_ns)
            if outcome.ended_ns is not None:
                intended_ns, pause_s = outcome.ended_ns, MIN_PAUSE_S
            elif not self._stopped:
                await self._pause(outcome, pause_s)
                intended_ns, pause_s = monotonic_ns(), min(2 * pause_s, MAX_PAUSE_S)

    async def _pause(self, outcome: Outcome, pause_s: float) -> None:
        """Pause after a failure; for as long as the endpoint asks, but no longer than the level lasts."""
        if outcome.wait_s is None:
            await asyncio.sleep(pause_s)
            return
        begun, pause_s = monotonic_ns(), max(pause_s, outcome.wait_s)
        if self.last_send_ns is not None:
            pause_s = min(pause_s, (self.last_send_ns - begun) / SECOND_NS + WAKE_S)
        try:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._all_sent.wait(), pause_s)
        finally:
            outcome.record.pause_ns = monotonic_ns() - begun

    def _next_number(self) -> int | None:
        """Return the number of the next request or conversation within the share; None if that is done."""
        number, share = self.begun, self._share
        if self._stopped or (share.requests is not None and number >= share.warmup + share.requests):
            return None
        if self._load.duration_s is not None and number >= share.warmup:
            now = monotonic_ns()
            if self.last_send_ns is None:
                self.last_send_ns = now + int(self._load.duration_s * SECOND_NS)
            elif self._load.concurrency and now > self.last_send_ns:
                return None
        self.begun += 1
        if share.requests is not None and self.begun == share.warmup + share.requests:
            self._all_sent.set()
        return number
