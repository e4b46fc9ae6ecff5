"""Holds conversations: each turn asks with all that was said before it, the server's answers included."""

from collections.abc import Awaitable, Callable
from itertools import count
from sys import getsizeof

from llm_measure.apis import StreamingAPI
from llm_measure.client.exchange import Exchange
from llm_measure.client.limits import Memory
from llm_measure.client.moments import Moments
from llm_measure.client.outcome import Outcome
from llm_measure.client.reply import reply
from llm_measure.load.conversations import Conversations, Message
from llm_measure.load.requests import Build
from llm_measure.records import SECOND_NS, Record

WAKE_NS = SECOND_NS // 1000  # by which a thinking user outlasts the level
# Sends a request, and returns what came; None without a connection.
Send = Callable[[Record, Build], Awaitable[tuple[Outcome, Exchange | None]]]


class Conversing:
    """The conversations of one client, whose requests `send` sends; `memory` has the answers kept."""

    def __init__(  # noqa: PLR0913, PLR0917  (each names a part of the client)
        self,
        conversations: Conversations,
        api: StreamingAPI,
        first_index: int,
        step: int,
        send: Send,
        moments: Moments,
        memory: Memory,
    ):
        self._conversations = conversations
        self._api = api
        self.sent = 0  # number of requests
        self._first_index, self._step = first_index, step
        self._send = send
        self._moments = moments
        self._memory = memory

    async def hold(
        self, conversation: int, warmup: bool, intended_ns: int, last_send_ns: Callable[[], int | None]
    ) -> Outcome:
        """Hold a conversation, and return the outcome of its last turn.

        A failed turn ends it, and so does an empty answer that the API does not take back. So does a turn
        that would be sent after the level's last moment for that, if there is one.
        """
        turns, history, kept = self._conversations.turns(conversation), list[Message](), 0
        build = self._conversations.request(conversation, 1, history)
        try:
            for turn in count(1):
                index = self._first_index + self.sent * self._step
                self.sent += 1
                record = Record(index, warmup, intended_ns, 0, 0, conversation=conversation, turn=turn)
                outcome, exchange = await self._send(record, build)
                if turn == turns or outcome.ended_ns is None or exchange is None:
                    break
                answer = reply(exchange, self._api).text
                del exchange  # which would stay in memory during the next turn
                history.append({"role": "assistant", "content": answer})
                kept += getsizeof(answer)
                self._memory.left -= getsizeof(answer)
                try:  # now, so that a large request is ready when it is due
                    build = self._conversations.request(conversation, turn + 1, history)
                except ValueError:
                    break
                think_ns = self._conversations.think_ns(conversation, turn)
                record.pause_ns = think_ns or None
                intended_ns = outcome.ended_ns + think_ns
                if await self._is_over(intended_ns, last_send_ns):
                    break
        finally:
            self._memory.left += kept
        return outcome

    async def _is_over(self, moment_ns: int, last_send_ns: Callable[[], int | None]) -> bool:
        """Wait for a turn's moment, or for the level's last one; return whether that came first."""
        last_ns = last_send_ns()
        await self._moments.until(moment_ns if last_ns is None else min(moment_ns, last_ns + WAKE_NS))
        last_ns = last_send_ns()  # which a conversation of the warm-up does not know at first
        return last_ns is not None and moment_ns > last_ns
