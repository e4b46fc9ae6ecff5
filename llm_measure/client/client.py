"""The client of one process: sends what the load's plan says and keeps what comes."""

import asyncio
import contextlib
import gc
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic_ns
from typing import cast

import uvloop

from llm_measure import apis
from llm_measure.apis import StreamingAPI
from llm_measure.client.asked import Asked
from llm_measure.client.clock import Alarm
from llm_measure.client.connections import Connections
from llm_measure.client.conversing import Conversing
from llm_measure.client.dial import Dialer, DialError
from llm_measure.client.exchange import Exchange
from llm_measure.client.judge import Judge
from llm_measure.client.key import Key
from llm_measure.client.limits import Memory, allow_many_connections
from llm_measure.client.moments import Moments
from llm_measure.client.outcome import Outcome
from llm_measure.client.poller import Poller
from llm_measure.client.retry_after import asked_wait_s
from llm_measure.client.signing import SignedRequests, signer_of
from llm_measure.client.token_command import Token
from llm_measure.client.waiting import RunQueue, Waiting
from llm_measure.endpoints import Endpoint
from llm_measure.load.conversations import conversations_of
from llm_measure.load.prompts import WORD_BY_WORD, Counting
from llm_measure.load.requests import Build, request_builder
from llm_measure.progress import Progress, Stop
from llm_measure.records import SECOND_NS, Record
from llm_measure.redaction import Secrets
from llm_measure.results import ClientTime, HTTPVersion
from llm_measure.workloads import MAX_PAUSE_S, MIN_PAUSE_S, Load, Workload

TICK_S = 0.1
WAKE_S = 0.001  # by which a pause outlasts the level, so that it ends for certain after it
SIGNED_AHEAD = 8  # number of requests of a rate
START_DELAY_NS = 5_000_000  # from the plan to its first moment


@dataclass(frozen=True)
class Share:
    """One process's share of a level: its moments of the plan, and how its requests are numbered."""

    starts: list[int]  # ns after the level's start
    requests: int | None  # measured ones; None if the duration decides
    warmup: int
    first_index: int
    step: int  # between its indexes
    level_index: int = 0  # of the level's first request


@dataclass(frozen=True)
class ClientResult:
    """The result of one process's share."""

    records: list[Record]
    started_at: datetime  # wall time of begin_ns
    begin_ns: int
    time: ClientTime
    has_kernel_times: bool  # of what arrived
    http_version: HTTPVersion


class Client:
    """Puts a share of a load on an endpoint, in this process, on a separate event loop."""

    def __init__(  # noqa: PLR0913, PLR0917  (each names a part of the measurement)
        self,
        endpoint: Endpoint,
        workload: Workload,
        load: Load,
        share: Share,
        seed: int,
        token: Token | None = None,
        counting: Counting = WORD_BY_WORD,
    ):
        """`token` is the first one of the endpoint's command, if it has one."""
        workload = endpoint.asked(workload)
        self._workload = workload
        self._load = load
        self._share = share
        self._api = api = apis.named(endpoint.api)
        self._dialer = dialer = Dialer(endpoint)
        signer = signer_of(endpoint)
        places = dialer.request_target, dialer.proxy_headers, counting
        self._conversations = conversations_of(endpoint, workload, seed, *places, signer)
        self._signed = None
        if self._conversations is None:
            build = request_builder(endpoint, workload, seed, *places, share.level_index)
            self._signed = SignedRequests(build, signer, share.first_index, share.step) if signer else None
            self._build = self._signed or build
        self._memory = Memory()
        secrets = Secrets((*dialer.secrets, *(signer.secrets if signer else ())))
        self._judge = Judge(api, Asked.of(endpoint, workload), secrets, self._memory)
        self._key = Key(endpoint, token, secrets.learn)
        self._in_flight: set[asyncio.Task[None]] = set()
        self._plan: deque[int] = deque()  # moments still to come
        self._begin_ns = 0
        self._begun = 0  # number of requests or, with turns, of conversations
        self._last_send_ns: int | None = None  # when a duration ends
        self._all_sent = asyncio.Event()
        self._stopped = False

    def run(
        self,
        begin: Callable[[], int] = lambda: monotonic_ns() + START_DELAY_NS,
        on_progress: Callable[[Progress], None] | None = None,
        stop: Stop | None = None,
    ) -> ClientResult:
        """Send the share's requests and return their records.

        `begin` is called when everything is ready and returns the moment, a little ahead, at which the plan
        starts. An exception in `on_progress` ends the run and is raised here.
        """
        allow_many_connections()
        gc.collect()
        gc.disable()
        try:
            uvloop.run(self._run(begin, on_progress, stop))
        finally:
            gc.enable()
        return ClientResult(
            self._judge.records(),
            self._started_at,
            self._begin_ns,
            self._time,
            self._poller.has_kernel_times,
            self._dialer.http_version,
        )

    async def _run(
        self, begin: Callable[[], int], on_progress: Callable[[Progress], None] | None, stop: Stop | None
    ) -> None:
        loop = asyncio.get_running_loop()
        self._run_queue = RunQueue()
        self._waiting = Waiting(self._run_queue)
        self._poller = Poller(loop, self._run_queue)
        self._connections = Connections(
            self._dialer, self._poller, self._memory, self._api.end, self._workload.timeout_s
        )
        self._moments = Moments(loop)
        self._conversing = None
        if self._conversations:
            self._conversing = Conversing(
                self._conversations,
                cast(StreamingAPI, self._api),
                self._share.first_index,
                self._share.step,
                self._send,
                self._moments,
                self._memory,
            )
        self._over = loop.create_future()
        self._alarm = Alarm(loop, self._begin_what_is_due)
        watch = loop.create_task(self._watch(on_progress, stop))
        watch.add_done_callback(self._raise_failure_of)
        try:
            await self._connect_ahead()
            if self._signed:
                self._signed.fill(len(self._share.starts) if self._load.concurrency else SIGNED_AHEAD)
            self._begin_ns = begin()
            self._plan = deque(self._begin_ns + start for start in self._share.starts)
            self._started_at = _wall_time(self._begin_ns)
            busy, begun, self._waiting = time.process_time(), monotonic_ns(), Waiting(self._run_queue)
            self._key.start()
            self._begin_what_is_due()
            self._end_if_over()  # a share may have no moment
            await self._over
            self._time = ClientTime(
                busy_s=time.process_time() - busy,
                waited_s=self._waiting.seconds,
                lasted_s=(monotonic_ns() - begun) / SECOND_NS,
            )
        finally:
            watch.cancel()
            self._stop()
            self._key.close()
            self._alarm.close()
            self._moments.close()
            self._poller.close()
            self._connections.close()
            self._run_queue.close()

    async def _connect_ahead(self) -> None:
        """Open a closed loop's connections before it starts, unless stopped."""
        streams = len(self._share.starts) if self._load.concurrency else 0
        connecting = asyncio.get_running_loop().create_task(self._connections.open_ahead(streams))
        self._in_flight.add(connecting)
        await asyncio.wait((connecting,))
        self._in_flight.discard(connecting)

    async def _watch(self, on_progress: Callable[[Progress], None] | None, stop: Stop | None) -> None:
        """Report progress, and stop when asked to."""
        while True:
            await asyncio.sleep(TICK_S)
            self._waiting.tick(TICK_S)
            if on_progress and self._begin_ns:
                on_progress(self._progress())
            if stop and stop.is_set():
                self._stop()

    def _progress(self) -> Progress:
        judge, elapsed_s = self._judge, (monotonic_ns() - self._begin_ns) / SECOND_NS
        if self._conversing is None:
            return Progress(self._begun, judge.ended, judge.failed, elapsed_s, judge.refused)
        sent = self._conversing.sent
        return Progress(sent, judge.ended, judge.failed, elapsed_s, judge.refused, self._begun)

    def _stop(self) -> None:
        """Send nothing more, and cancel what is in flight."""
        self._stopped = True
        for task in self._in_flight:
            task.cancel()
        self._plan.clear()
        self._end_if_over()

    def _begin_what_is_due(self) -> None:
        loop, plan, now = asyncio.get_running_loop(), self._plan, monotonic_ns()
        begin = self._run_stream if self._load.concurrency else self._send_one
        while plan and plan[0] <= now:
            task = loop.create_task(begin(plan.popleft()))
            self._in_flight.add(task)
            task.add_done_callback(self._done)
        if plan:
            self._alarm.set(plan[0])

    def _done(self, task: asyncio.Task[None]) -> None:
        self._in_flight.discard(task)
        self._raise_failure_of(task)
        self._end_if_over()

    def _raise_failure_of(self, task: asyncio.Task[None]) -> None:
        """Let `run` raise what went wrong in the task."""
        if not task.cancelled() and (error := task.exception()) and not self._over.done():
            self._over.set_exception(error)

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
        if self._last_send_ns is not None:
            pause_s = min(pause_s, (self._last_send_ns - begun) / SECOND_NS + WAKE_S)
        try:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._all_sent.wait(), pause_s)
        finally:
            outcome.record.pause_ns = monotonic_ns() - begun

    def _next_number(self) -> int | None:
        """Return the number of the next request or conversation within the share; None if that is done."""
        number, share = self._begun, self._share
        if self._stopped or (share.requests is not None and number >= share.warmup + share.requests):
            return None
        if self._load.duration_s is not None and number >= share.warmup:
            now = monotonic_ns()
            if self._last_send_ns is None:
                self._last_send_ns = now + int(self._load.duration_s * SECOND_NS)
            elif self._load.concurrency and now > self._last_send_ns:
                return None
        self._begun += 1
        if share.requests is not None and self._begun == share.warmup + share.requests:
            self._all_sent.set()
        return number

    async def _perform(self, number: int, intended_ns: int) -> Outcome:
        """Send the request, or hold the conversation, of that number."""
        index = self._share.first_index + number * self._share.step
        is_warmup = number < self._share.warmup
        if self._conversing:
            return await self._conversing.hold(index, is_warmup, intended_ns, lambda: self._last_send_ns)
        outcome, _ = await self._send(Record(index, is_warmup, intended_ns, 0, 0), self._build)
        return outcome

    async def _send(self, record: Record, build: Build) -> tuple[Outcome, Exchange | None]:
        """Send one request and keep what comes; the exchange is None without a connection."""
        try:
            key = await self._key.current(record)
            exchange = await self._connections.exchange(build(record.index, key), record)
        except DialError as error:
            record.sent_ns = record.end_ns = monotonic_ns()
            self._judge.keep_unanswered(record, error.failure, str(error))
            return Outcome(record, None), None
        if exchange.status == 401:
            exchange.detail = self._key.refused(key)
        self._poller.catch_up()
        wait_s = asked_wait_s(exchange)
        record.pause_ns = None if wait_s is None else 0
        is_right = self._judge.judge(exchange, record)
        return Outcome(record, exchange.end_ns if is_right else None, wait_s), exchange


def _wall_time(moment_ns: int) -> datetime:
    """Return the date of a moment of the monotonic clock."""
    return datetime.fromtimestamp(time.time() + (moment_ns - monotonic_ns()) / SECOND_NS, UTC)
