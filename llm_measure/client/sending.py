"""Sends requests on a client's connections, each with the key of its moment, and has responses judged."""

from time import monotonic_ns

from llm_measure.client.connections import Connections
from llm_measure.client.dial import DialError
from llm_measure.client.exchange import Exchange
from llm_measure.client.judge import Judge
from llm_measure.client.key import Key
from llm_measure.client.outcome import Outcome
from llm_measure.client.poller import Poller
from llm_measure.client.retry_after import asked_wait_s
from llm_measure.load.requests import Build
from llm_measure.records import Record


class Sender:
    """The sender of one client; `judge` keeps what comes."""

    def __init__(self, key: Key, connections: Connections, poller: Poller, judge: Judge):
        self._key = key
        self._connections = connections
        self._poller = poller
        self._judge = judge

    async def send(self, record: Record, build: Build) -> tuple[Outcome, Exchange | None]:
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
