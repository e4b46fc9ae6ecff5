"""Judges each response once, when it ends, and keeps its record."""

from collections import deque

from llm_measure.apis import EncodingAPI, ProviderAPI
from llm_measure.client.asked import Asked
from llm_measure.client.exchange import Exchange
from llm_measure.client.failures import fail
from llm_measure.client.limits import MAX_LEVEL_TOKENS, Memory
from llm_measure.client.reply import reply
from llm_measure.client.response import ends_well, parse_response
from llm_measure.records import Record
from llm_measure.redaction import Secrets, clean_texts
from llm_measure.soundness import refused

REFUSALS = frozenset(("connect", "tls", "http_4xx"))  # classes of error that another request will not mend
# Responses up to this size are parsed when they end, which takes less than a millisecond.
SMALL_BYTES = 128 << 10
# Larger ones stay unparsed up to this size together, so that parsing takes no time from measuring.
MAX_UNPARSED_BYTES = 128 << 20


class Judge:
    """The judge of one client's requests; `memory` gets back what parsed responses took."""

    def __init__(self, api: ProviderAPI, asked: Asked, secrets: Secrets, memory: Memory):
        self._api = api
        self._asked = asked
        self._secrets = secrets
        self._memory = memory
        self._unparsed: deque[tuple[Exchange, Record, bool]] = deque()  # with the verdict
        self._unparsed_bytes = 0
        self._records: list[Record] = []
        self._tokens_left = MAX_LEVEL_TOKENS
        self.ended = self.failed = 0  # numbers of requests
        self._failures: set[tuple[str | None, int | None]] = set()  # class and status

    def judge(self, exchange: Exchange, record: Record) -> bool:
        """Keep what came, and return whether it is right."""
        is_right = ends_well(exchange, self._api) if exchange.size > SMALL_BYTES else None
        if is_right is None:
            is_right = self._parse(exchange, record)
        else:
            self._unparsed.append((exchange, record, is_right))
            self._unparsed_bytes += exchange.size
        self._count(record, is_right)
        while self._unparsed_bytes > MAX_UNPARSED_BYTES:
            self._parse_oldest()
        return is_right

    def keep_unanswered(self, record: Record, failure: str, detail: str) -> None:
        """Keep a request that could not be sent."""
        fail(record, failure, detail)
        self._add(record)
        self._count(record, False)

    @property
    def refused(self) -> int:
        """The number of failures, if all requests failed alike, by a 4xx or without a connection; else 0."""
        alike = self.failed == self.ended and len(self._failures) == 1
        return self.failed if alike and {error for error, _ in self._failures} <= REFUSALS else 0

    def records(self) -> list[Record]:
        """Return the records of all requests, by index."""
        while self._unparsed:
            self._parse_oldest()
        self._records.sort(key=lambda record: record.index)
        return self._records

    def _count(self, record: Record, is_right: bool) -> None:
        self.ended += 1
        if not is_right:
            self.failed += 1
            self._failures.add((record.error, record.status))

    def _parse_oldest(self) -> None:
        exchange, record, was_right = self._unparsed.popleft()
        self._unparsed_bytes -= exchange.size
        self.failed += was_right - self._parse(exchange, record)

    def _parse(self, exchange: Exchange, record: Record) -> bool:
        """Parse a response, keep its record, and return whether it is right."""
        self._memory.left += exchange.size
        parse_response(exchange, record, self._api, self._asked)
        if self._asked.expected and record.error is None and not isinstance(self._api, EncodingAPI):
            said = reply(exchange, self._api)
            calls = ((call.name, call.arguments) for call in said.tool_calls)
            record.answer_valid = self._asked.expected.is_met(said.text, calls)
        self._tokens_left -= max(record.output_tokens or 0, len(record.chunk_tokens))
        if self._tokens_left < 0:
            record = refused(record, f"level: more than {MAX_LEVEL_TOKENS} tokens; expected at most that")
        self._add(record)
        return record.error is None

    def _add(self, record: Record) -> None:
        """Keep the record, its texts without secrets and fit to be stored and shown."""
        clean_texts(record, self._secrets)
        self._records.append(record)
