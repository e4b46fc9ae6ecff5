"""What a finished exchange holds: tokens and their moments, token counts, and the class of an error.

This is the one verdict on a response: pauses, progress, giving up and metrics all follow it.
"""

from collections.abc import Iterable, Iterator
from copy import copy
from typing import Any

from llm_measure.apis import Chunk, EncodingAPI, ProviderAPI, StreamingAPI, Usage
from llm_measure.client.answer import is_complete, parse_answer
from llm_measure.client.asked import Asked
from llm_measure.client.encoding import EncodingError, unpacked
from llm_measure.client.exchange import Exchange
from llm_measure.client.failures import (
    MALFORMED,
    class_of,
    error_in,
    error_of,
    fail,
    parse_refusal,
    shown,
)
from llm_measure.client.late_reads import spread_late
from llm_measure.client.models import other_model
from llm_measure.client.tidying import tidied
from llm_measure.client.tokens import CUT_OFF, Chunks, output_tokens, reasoning_tokens, tokens_of_chunks
from llm_measure.framing import ErrorData, FramingError
from llm_measure.limits import MAX_TOKENS
from llm_measure.records import Record

END_TOKENS = 1  # of an answer that ends immediately: the end of its sequence
FIRST_EVENTS = 3  # one of which names the model; Azure's first has none
TAIL_PARTS = 100  # by which a large response is judged
CUTS = ("truncated", "timeout", "cancelled")  # failures of the transfer that spoil no stream that has ended
GIVEN_UP = frozenset(("abort", "error"))  # finish reasons of an answer that the server could not complete


def parse_response(exchange: Exchange, record: Record, api: ProviderAPI, asked: Asked) -> None:
    """Fill in the record from what the endpoint has sent; its texts are as they came."""
    record.sent_ns, record.end_ns = exchange.sent_ns, exchange.end_ns
    record.first_byte_ns = exchange.first_byte_ns
    record.status = exchange.status
    ended_ns = None
    try:
        _unpack(exchange)
        if exchange.status is not None and exchange.failure is None and not 200 <= exchange.status < 300:
            parse_refusal(exchange, record, api, asked.url)
        elif isinstance(api, EncodingAPI):
            parse_answer(exchange, record, api, asked.model, asked.wanted)
        else:
            ended_ns = _Stream(exchange, record, api, asked).parse()
    except EncodingError as error:
        fail(record, "malformed", str(error))
    except Exception as error:  # a provider API meets whatever servers send; no response may end the level
        fail(record, "malformed", f"{type(error).__name__}: {error}")
    if exchange.failure in CUTS and ended_ns is not None:
        record.end_ns = ended_ns
    elif exchange.failure is not None:
        fail(record, exchange.failure, exchange.detail or "")


def ends_well(exchange: Exchange, api: ProviderAPI) -> bool | None:
    """Return the verdict on a large response by its last events alone; None if they are not enough.

    One that has no events is held for right when it is complete.
    """
    if isinstance(api, EncodingAPI):
        return is_complete(exchange) or None
    if exchange.encoding:
        return None
    last = api.framing.last_events(exchange.parts[-TAIL_PARTS:])
    if last is None:
        return None
    tail, record = copy(exchange), Record(0, False, 0, exchange.sent_ns, exchange.end_ns)
    tail.parts, tail.times, tail.shared = [last], exchange.times[-1:], {}
    parse_response(tail, record, api, Asked())
    return None if record.first_token_ns is None else record.error is None


def _unpack(exchange: Exchange) -> None:
    """Undo the encoding of the body."""
    encoding = exchange.encoding.decode("latin-1").strip().lower()
    if encoding not in ("", "identity"):
        exchange.parts, packed = [], exchange.parts
        exchange.parts = list(unpacked(packed, encoding))


class _Stream:
    """The chunks of one response, in order."""

    def __init__(self, exchange: Exchange, record: Record, api: StreamingAPI, asked: Asked):
        self._exchange = exchange
        self._record = record
        self._api = api
        self._asked = asked
        self._first: list[bytes] = []  # events, which name the model
        self._places: list[int] = []  # of chunks with tokens: the part of the body with their end
        self._with_tokens = Chunks()
        self._first_answer: int | None = None  # the first of these chunks that is no reasoning
        self._usage = Usage()
        self._seen = 0  # number of events
        self._ended_ns: int | None = None  # when the event came after which nothing follows

    def parse(self) -> int | None:
        """Fill in the record; return when the stream's last event came, None if it never did."""
        exchange, record = self._exchange, self._record
        plain = _plain_chunks(exchange.parts, self._api)
        if plain is None:
            self._read(self._chunks())
        else:
            datas, decoded = plain
            self._first, self._seen = datas[:FIRST_EVENTS], len(datas)
            self._read(zip(range(len(datas)), datas, decoded, strict=True))
        # Without an event that ends the stream, a finish reason completes it.
        is_complete = plain is not None if self._api.end is not None else record.finish_reason is not None
        if self._ended_ns is None and is_complete:
            self._ended_ns = exchange.times[-1]
        if record.error is None and self._ended_ns is None and record.finish_reason is None:
            self._fail_without_end()
        self._count_tokens()
        named = next(filter(None, map(self._api.model, self._first)), None)
        record.answered_by = other_model(self._asked.model, named)
        if record.error is None:
            self._check_answer()
        return self._ended_ns

    def _read(self, chunks: Iterable[tuple[int, bytes, Chunk]]) -> None:
        """Read chunks with their places and data: the hot path of parsing."""
        places, sizes, counts = self._places, self._with_tokens.sizes, self._with_tokens.counts
        for place, data, chunk in chunks:
            text, reasoning, tool_calls, finish_reason = chunk.content()
            if chunk.error:  # some servers send an empty one with each chunk
                self._fail_within(chunk.error, place)
                return
            usage, count = chunk.usage, None
            if usage is not None:
                self._usage, count = usage.over(self._usage), usage.completion_tokens
            if finish_reason is not None:
                self._record.finish_reason = finish_reason
            if size := text + reasoning + tool_calls:
                places.append(place)
                sizes.append(size)
                counts.append(count)
                if reasoning == size:
                    self._with_tokens.reasoning.append(len(sizes) - 1)
                elif self._first_answer is None:
                    self._first_answer = len(places) - 1
            elif usage is None and finish_reason is None and (error := self._api.flat_error(data)):
                self._fail_within(error, place)
                return

    def _chunks(self) -> Iterator[tuple[int, bytes, Chunk]]:
        """Yield the chunks of events that arrived in any parts, up to the end or to one that is malformed."""
        end, data = self._api.end, b""
        try:
            for place, data in self._api.framing.events(self._exchange.parts):
                if data == end:
                    self._ended_ns = self._exchange.times[place]
                    return
                self._seen += 1
                if self._seen <= FIRST_EVENTS:
                    self._first.append(data)
                if isinstance(data, ErrorData):
                    self._fail_within(error_in(data), place)
                    return
                yield place, data, self._decoded(data)
        except FramingError as error:
            if self._seen or self._has_type_of_stream:  # else an error as JSON, for instance
                fail(self._record, "malformed", str(error))
        except MALFORMED as error:
            fail(self._record, "malformed", f"{error} in {shown(data)}")

    def _decoded(self, data: bytes) -> Chunk:
        try:
            return self._api.decode(data)
        except MALFORMED as error:
            try:
                return self._api.decode(tidied(data))
            except (ValueError, RecursionError):
                raise error from None

    def _count_tokens(self) -> None:
        """Count tokens by usage if the server reports it, else one per chunk."""
        record, usage, times = self._record, self._usage, self._exchange.times
        moments = [times[place] for place in self._places]
        if moments and self._exchange.has_late_parts:
            unsure = spread_late(self._exchange, self._places, moments)
            record.first_token_unsure_ns, record.late_chunks = unsure[0], sum(map(bool, unsure))
            record.first_byte_ns = min(record.first_byte_ns or moments[0], moments[0])
        record.prompt_tokens, record.cached_tokens = usage.prompt_tokens, usage.cached_tokens
        if moments:
            record.first_token_ns, record.last_token_ns = moments[0], moments[-1]
            if self._first_answer is not None:
                record.first_answer_ns = moments[self._first_answer]
            sent_ns = record.sent_ns
            record.chunk_offsets_ns = [moment - sent_ns for moment in moments]
        total = self._plausible(output_tokens(usage, self._with_tokens))
        if total is not None:
            record.output_tokens, record.token_source = total, "usage"
            has_end = record.finish_reason not in (None, CUT_OFF)
            record.chunk_tokens = tokens_of_chunks(total, usage, self._with_tokens, has_end)
        elif moments:
            record.output_tokens, record.token_source = len(moments), "chunks"
            record.chunk_tokens = [1] * len(moments)
        record.reasoning_tokens = reasoning_tokens(usage, self._with_tokens, record.chunk_tokens)

    def _plausible(self, total: int | None) -> int | None:
        """Return the server's count of output tokens, or None, and fail, if there cannot be as many."""
        most = min(self._asked.most_tokens + sum(self._with_tokens.sizes), MAX_TOKENS)
        if total is None or total <= most:
            return total
        fail(self._record, "malformed", f"completion_tokens={total}: implausible; expected at most {most}")
        return None

    def _check_answer(self) -> None:
        """Fail unless something was answered, an immediate end of the sequence at least."""
        record, usage = self._record, self._usage
        reason, counted = record.finish_reason, record.output_tokens or 0
        if reason in GIVEN_UP:
            fail(record, "truncated", f"finish_reason={reason}: the server gave the response up")
        elif not self._places and reason is None and usage.completion_tokens is None:
            body = shown(b"".join(self._exchange.parts))
            fail(
                record,
                "malformed",
                f"nothing answered; expected tokens, a finish reason or usage, got {body}",
            )
        elif not self._places and counted > END_TOKENS:
            hidden = f", {record.reasoning_tokens} of them reasoning" if record.reasoning_tokens else ""
            fail(record, "malformed", f"{counted} tokens counted{hidden}, none streamed; expected a text")

    def _fail_within(self, error: Any, place: int) -> None:
        """Record an error that came as an event, after the 200; it ends the stream."""
        status, message = self._api.stream_error(error)
        fail(self._record, class_of(status), f"within the stream: {message}")
        self._ended_ns = self._exchange.times[place]

    @property
    def _kind(self) -> str:
        return self._exchange.content_type.decode("latin-1").partition(";")[0].strip().lower()

    @property
    def _has_type_of_stream(self) -> bool:
        return self._kind == self._api.framing.CONTENT_TYPE

    def _fail_without_end(self) -> None:
        """Record that the response is no stream, or one without its end, and what came if no event did."""
        body = b"".join(self._exchange.parts[-TAIL_PARTS:] if self._seen else self._exchange.parts)
        if self._seen:  # Google's servers may end a stream with an error that is no event
            body = body.replace(b"\r\n", b"\n").strip().rpartition(b"\n\n")[2]
        if error := error_of(body, self._api):
            status, message = self._api.stream_error(error)
            where = "within the stream" if self._seen else "instead of a stream"
            fail(self._record, class_of(status), f"{where}: {message}")
        elif self._seen:
            fail(self._record, "truncated", f"the stream broke off after {self._seen} events")
        elif self._has_type_of_stream:
            came = f"only {shown(body)} came" if body.strip() else "nothing came"
            fail(self._record, "truncated", f"the stream broke off before its first event; {came}")
        else:
            got = self._kind or "no content type"
            fail(self._record, "malformed", f"expected an event stream, got {got}: {shown(body)}")


def _plain_chunks(parts: list[bytes], api: StreamingAPI) -> tuple[list[bytes], list[Chunk]] | None:
    """Return the data and chunks of a response if each part is one event, the last one the end, else None."""
    found = api.framing.plain_events(parts)
    if not found or (api.end is not None and found.pop() != api.end):
        return None
    try:
        return found, list(map(api.decode, found))
    except MALFORMED:
        return None
