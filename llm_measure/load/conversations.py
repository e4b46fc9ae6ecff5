"""Conversations: how many turns each has, what the user says in each, and how long they think in between."""

from collections.abc import Callable
from dataclasses import replace
from itertools import chain
from pathlib import Path
from random import Random
from typing import Any

from llm_measure import distributions
from llm_measure.apis import Signer
from llm_measure.distributions import draw
from llm_measure.endpoints import Endpoint
from llm_measure.load.datasets import DatasetError, Row, read_dataset
from llm_measure.load.lengths import generated_prompts
from llm_measure.load.prompts import Counting
from llm_measure.load.requests import Build, message_requests
from llm_measure.records import SECOND_NS
from llm_measure.workloads import MOST_TURNS, WHOLE_CONVERSATIONS, Workload

RARE = 0.999  # the probability that a user thinks no longer than what is reckoned with
Message = dict[str, Any]
# What the user says in a turn of a conversation, both by their numbers; in the first one, after instructions.
Says = Callable[[int, int], list[Message]]
# What builds the request with these messages and this maximum of output tokens, see `message_requests`.
Requests = Callable[[list[Message], int], Build]


class Conversations:
    """The conversations of a workload, by their numbers; turns count from 1.

    All is drawn from seed, conversation and turn, so that every process knows it of each conversation.
    """

    def __init__(self, workload: Workload, seed: int, counting: Counting, requests: Requests):
        """Raises DatasetError, also for a row that the API refuses."""
        self._seed, self._requests = seed, requests
        has_most = workload.turns == WHOLE_CONVERSATIONS
        self._turns = None if has_most else distributions.parse(workload.turns or 1)
        self._output = workload.output_length
        self._think_s = distributions.parse(workload.think_time)
        self._rows = _rows(workload, seed, requests)
        self._says: Says = self._row_says if self._rows else _generated(workload, seed, counting)

    def turns(self, conversation: int) -> int:
        """Return the number of turns; of a dataset's row, at most as many as it has."""
        most = min(len(_said(self._row(conversation))), MOST_TURNS) if self._rows else MOST_TURNS
        if self._turns is None:
            return most
        return min(self._turns.whole(draw(self._seed, conversation, "turns")), most)

    def think_ns(self, conversation: int, turn: int) -> int:
        """Return the time from the answer to this turn to the next turn, in ns."""
        drawn = draw(self._seed, turn_number(conversation, turn), "think")
        return round(self._think_s.real(drawn) * SECOND_NS)

    def request(self, conversation: int, turn: int, history: list[Message]) -> Build:
        """Add what the user says to the history, and return what builds the turn's request.

        Raises ValueError if the API does not take an answer of the history back.
        """
        history += self._says(conversation, turn)
        fixed = self._row(conversation).output_tokens if self._rows else None
        drawn = draw(self._seed, turn_number(conversation, turn), "output")
        return self._requests(history, fixed or self._output.whole(drawn))

    def _row(self, conversation: int) -> Row:
        return self._rows[conversation % len(self._rows)]

    def _row_says(self, conversation: int, turn: int) -> list[Message]:
        return _said(self._row(conversation))[turn - 1]


def conversations_of(  # noqa: PLR0913, PLR0917  (each names a part of a request)
    endpoint: Endpoint,
    workload: Workload,
    seed: int,
    target: str,
    proxy_headers: bytes,
    counting: Counting,
    signer: Signer | None,
) -> Conversations | None:
    """Return the conversations of the workload; None if it has single prompts. Raises DatasetError."""
    if workload.turns is None:
        return None
    requests = message_requests(endpoint, workload, target, proxy_headers, signer)
    return Conversations(workload, seed, counting, requests)


def turn_number(conversation: int, turn: int) -> int:
    """Return a number that no turn of another conversation has."""
    return conversation * MOST_TURNS + turn - 1


def longest_conversation_s(workload: Workload) -> float:
    """Return how long a conversation may take, in seconds, or a single request; raises DatasetError.

    Every turn takes its whole timeout, and every user thinks for as long as one in a thousand does.
    """
    if workload.turns is None:
        return workload.timeout_s
    think_s = distributions.parse(workload.think_time).real(RARE)
    return longest_conversation(workload) * (workload.timeout_s + think_s)


def longest_conversation(workload: Workload) -> int:
    """Return the largest number of turns that a conversation may have; raises DatasetError."""
    if workload.turns != WHOLE_CONVERSATIONS:
        return min(distributions.parse(workload.turns or 1).whole(distributions.HIGHEST_DRAW), MOST_TURNS)
    return min(max(len(_said(row)) for row in read_dataset(Path(workload.dataset or ""))), MOST_TURNS)


def _generated(workload: Workload, seed: int, counting: Counting) -> Says:
    first = generated_prompts(workload, seed, counting)
    # What conversations have in common is at their beginning alone.
    later = generated_prompts(replace(workload, shared_prefix=0.0, prefixes=1), seed, counting)

    def says(conversation: int, turn: int) -> list[Message]:
        return [_user((first if turn == 1 else later)(turn_number(conversation, turn)))]

    return says


def _rows(workload: Workload, seed: int, requests: Requests) -> list[Row]:
    """Return the dataset's rows in an order that depends on the seed; none without a dataset."""
    rows = list(read_dataset(Path(workload.dataset))) if workload.dataset else []
    for row in rows:
        try:
            requests(list(chain.from_iterable(_said(row))), 1)
        except ValueError as error:
            raise DatasetError(f"{row.where}: {error}") from None
    Random(seed).shuffle(rows)  # noqa: S311  (nothing secret)
    return rows


def _said(row: Row) -> list[list[Message]]:
    """Return the messages of each turn: the user's, in the first turn after those that come before it.

    The answers that a row brings are left out, since the server gives its own.
    """
    if isinstance(row.prompt, str):
        return [[_user(text)] for text in row.turns or (row.prompt,)]
    first = next((at for at, each in enumerate(row.prompt) if each.get("role") == "user"), len(row.prompt))
    return [row.prompt[: first + 1], *([_user(said)] for said in (row.turns or ())[1:])]


def _user(content: Any) -> Message:
    return {"role": "user", "content": content}
