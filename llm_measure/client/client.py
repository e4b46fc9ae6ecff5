"""The client of one process: sends what the load's plan says and keeps what comes."""

import asyncio
import gc
import time
from collections.abc import Callable
from datetime import UTC, datetime
from time import monotonic_ns
from typing import cast

import uvloop

from llm_measure import apis
from llm_measure.apis import StreamingAPI
from llm_measure.client.asked import Asked
from llm_measure.client.connections import Connections
from llm_measure.client.conversing import Conversing
from llm_measure.client.dial import Dialer
from llm_measure.client.judge import Judge
from llm_measure.client.key import Key
from llm_measure.client.limits import Memory, allow_many_connections
from llm_measure.client.moments import Moments
from llm_measure.client.outcome import Outcome
from llm_measure.client.pacing import Pacer
from llm_measure.client.poller import Poller
from llm_measure.client.sending import Sender
from llm_measure.client.share import ClientResult, Share
from llm_measure.client.signing import SignedRequests, signer_of
from llm_measure.client.token_command import Token
from llm_measure.client.waiting import RunQueue, Waiting
from llm_measure.endpoints import Endpoint
from llm_measure.load.conversations import conversations_of
from llm_measure.load.prompts import WORD_BY_WORD, Counting
from llm_measure.load.requests import request_builder
from llm_measure.progress import Progress, Stop
from llm_measure.records import SECOND_NS, Record
from llm_measure.redaction import Secrets
from llm_measure.results import ClientTime
from llm_measure.workloads import Load, Workload

TICK_S = 0.1
SIGNED_AHEAD = 8  # number of requests of a rate
START_DELAY_NS = 5_000_000  # from the plan to its first moment


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
            self._signed = SignedRequests(build, signer, share.first.request, share.step) if signer else None
            self._build = self._signed or build
        self._first = share.first.conversation if self._conversations else share.first.request
        self._memory = Memory()
        secrets = Secrets((*dialer.secrets, *(signer.secrets if signer else ())))
        self._judge = Judge(api, Asked.of(endpoint, workload), secrets, self._memory)
        self._key = Key(endpoint, token, secrets.learn)
        self._begin_ns = 0

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
        self._send = Sender(self._key, self._connections, self._poller, self._judge).send
        self._conversing = None
        if self._conversations:
            self._conversing = Conversing(
                self._conversations,
                cast(StreamingAPI, self._api),
                self._share.first.request,
                self._share.step,
                self._send,
                self._moments,
                self._memory,
            )
        self._pacer = Pacer(self._load, self._share, self._perform)
        self._connecting = loop.create_task(self._connections.open_ahead(self._streams))
        watch = loop.create_task(self._watch(on_progress, stop))
        watch.add_done_callback(self._pacer.raise_failure_of)
        try:
            await asyncio.wait((self._connecting,))
            if self._signed:
                self._signed.fill(self._streams or SIGNED_AHEAD)
            self._begin_ns = begin()
            self._started_at = _wall_time(self._begin_ns)
            busy, begun, self._waiting = time.process_time(), monotonic_ns(), Waiting(self._run_queue)
            self._key.start()
            await self._pacer.run(self._begin_ns)
            self._time = ClientTime(
                busy_s=time.process_time() - busy,
                waited_s=self._waiting.seconds,
                lasted_s=(monotonic_ns() - begun) / SECOND_NS,
            )
        finally:
            watch.cancel()
            self._stop()
            self._key.close()
            self._pacer.close()
            self._moments.close()
            self._poller.close()
            self._connections.close()
            self._run_queue.close()

    @property
    def _streams(self) -> int:
        """The number of streams of a closed loop, which begins with open connections; 0 for a rate."""
        return len(self._share.starts) if self._load.concurrency else 0

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
            return Progress(self._pacer.begun, judge.ended, judge.failed, elapsed_s, judge.refused)
        sent = self._conversing.sent
        return Progress(sent, judge.ended, judge.failed, elapsed_s, judge.refused, self._pacer.begun)

    def _stop(self) -> None:
        """Send nothing more, and cancel what is in flight."""
        self._connecting.cancel()
        self._pacer.stop()

    async def _perform(self, number: int, intended_ns: int) -> Outcome:
        """Send the request, or hold the conversation, of that number within the share."""
        is_warmup = number < self._share.warmup
        number = self._first + number * self._share.step
        if self._conversing:
            return await self._conversing.hold(
                number, is_warmup, intended_ns, lambda: self._pacer.last_send_ns
            )
        outcome, _ = await self._send(Record(number, is_warmup, intended_ns, 0, 0), self._build)
        return outcome


def _wall_time(moment_ns: int) -> datetime:
    """Return the date of a moment of the monotonic clock."""
    return datetime.fromtimestamp(time.time() + (moment_ns - monotonic_ns()) / SECOND_NS, UTC)
