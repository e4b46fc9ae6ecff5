"""Waiting for moments of the monotonic clock, exact to the microsecond."""

import asyncio
from heapq import heappop, heappush
from itertools import count
from time import monotonic_ns

from llm_measure.client.clock import Alarm


class Moments:
    """Lets any number of tasks wait, each until its moment, with one alarm for all of them."""

    def __init__(self, loop: asyncio.AbstractEventLoop):
        self._loop = loop
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._numbers = count()
        self._alarm = Alarm(loop, self._wake)

    async def until(self, moment_ns: int) -> None:
        """Wait until the moment, which may be past."""
        if moment_ns <= monotonic_ns():
            return
        future = self._loop.create_future()
        heappush(self._waiting, (moment_ns, next(self._numbers), future))
        if self._waiting[0][2] is future:
            self._alarm.set(moment_ns)
        await future

    def close(self) -> None:
        """Wake nobody any more."""
        self._alarm.close()

    def _wake(self) -> None:
        waiting, now = self._waiting, monotonic_ns()
        while waiting and waiting[0][0] <= now:
            _, _, future = heappop(waiting)
            if not future.done():  # a cancelled one is
                future.set_result(None)
        if waiting:
            self._alarm.set(waiting[0][0])
