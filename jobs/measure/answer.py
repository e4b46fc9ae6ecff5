"""What an ended exchange says: tokens and their moments, counts, and the class of an error."""

from itertools import accumulate, pairwise
from typing import Any

import msgspec

from jobs.measure.connection import Exchange
from jobs.measure.record import Record
from jobs.measure.sse import events, plain_events

LONGEST_DETAIL = 200
DONE = b"[DONE]"


class Delta(msgspec.Struct, gc=False):
    """The news of a chat chunk; servers call the reasoning by the one name or the other."""

    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    tool_calls: list[msgspec.Raw] | None = None

    def size_of_others(self) -> int:
        """Roughly how much text it holds besides the content; 0: no token."""
        texts = (self.reasoning_content, self.reasoning, self.refusal, *(self.tool_calls or ()))
        return sum(len(text) for text in texts if text)


class Choice(msgspec.Struct, gc=False):
    """One of the answers that a chunk goes on with."""

    delta: Delta | None = None
    text: str | None = None
    finish_reason: str | None = None


class Usage(msgspec.Struct, gc=False):
    """The server's own counts."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class Chunk(msgspec.Struct, gc=False):
    """What is read of an event's JSON."""

    choices: list[Choice] | None = None
    usage: Usage | None = None
    error: Any = None


_decode = msgspec.json.Decoder(Chunk).decode


def understand(exchange: Exchange, record: Record) -> None:
    """Fill in what the exchange says."""
    record.sent_ns, record.end_ns = exchange.sent_ns, exchange.end_ns
    record.first_byte_ns = exchange.first_byte_ns
    record.status = exchange.status
    if exchange.status is not None and exchange.failure is None and not 200 <= exchange.status < 300:
        _refused(exchange, record)
        return
    _Reading(exchange, record).read()
    if exchange.failure is not None:
        _fail(record, exchange.failure, exchange.detail or "")


class _Reading:
    """The chunks of one answer, in their order."""

    def __init__(self, exchange: Exchange, record: Record):
        self._exchange = exchange
        self._record = record
        self._moments: list[int] = []  # of chunks with tokens
        self._sizes: list[int] = []
        self._counts: list[int | None] = []  # by the server, up to and with each of them
        self._usage = Usage()

    def read(self) -> None:
        """Take in all events and say what is wrong with them, if anything is."""
        exchange = self._exchange
        chunks = _plain_chunks(exchange.parts)
        if chunks is None:
            self._read_any()
        else:
            for moment, chunk in zip(exchange.times[:-1], chunks, strict=True):  # the last part is no chunk
                self._take(moment, chunk)
        self._count()

    def _read_any(self) -> None:
        record, seen, done = self._record, 0, False
        for moment, data in events(self._exchange.parts, self._exchange.times):
            if data == DONE:
                done = True
                break
            seen += 1
            try:
                chunk = _decode(data)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                _fail(record, "malformed", f"{error} in {_shown(data)}")
                break
            if chunk.error is not None:
                _failed_within(record, chunk.error)
                break
            self._take(moment, chunk)
        if record.error is None and not done and record.finish_reason is None:
            self._unfinished(seen)

    def _take(self, moment: int, chunk: Chunk) -> None:
        size, usage = 0, chunk.usage
        for choice in chunk.choices or ():
            delta = choice.delta
            if delta is not None:
                size += len(delta.content) if delta.content else delta.size_of_others()
            if choice.text:
                size += len(choice.text)
            if choice.finish_reason:
                self._record.finish_reason = choice.finish_reason
        if usage is not None:
            self._usage = usage
        if size:
            self._moments.append(moment)
            self._sizes.append(size)
            self._counts.append(usage.completion_tokens if usage else None)

    def _count(self) -> None:
        """The tokens, by usage if the server tells it, else one for each chunk."""
        record, moments = self._record, self._moments
        record.prompt_tokens = self._usage.prompt_tokens
        total = self._usage.completion_tokens
        if moments:
            record.first_token_ns, record.last_token_ns = moments[0], moments[-1]
            sent_ns = record.sent_ns
            record.chunk_offsets_ns = [moment - sent_ns for moment in moments]
        if total is None or (total == 0 and moments):
            if moments:
                record.output_tokens, record.token_source = len(moments), "chunks"
                record.chunk_tokens = [1] * len(moments)
            return
        record.output_tokens, record.token_source = total, "usage"
        record.chunk_tokens = _told(self._counts, total) or spread(total, self._sizes)

    def _unfinished(self, seen: int) -> None:
        kind = self._exchange.content_type.decode("latin-1").partition(";")[0].strip().lower()
        if kind == "text/event-stream":
            _fail(self._record, "truncated", f"the stream ended after {seen} events without an end")
        elif not seen:
            start = _shown(b"".join(self._exchange.parts))
            _fail(self._record, "malformed", f"no event stream but {kind or 'something'}: {start}")
        else:
            _fail(self._record, "truncated", f"the answer ended after {seen} events without an end")


def _plain_chunks(parts: list[bytes]) -> list[Chunk] | None:
    """The chunks of a whole answer without an error, if each part of it is an event; else None."""
    found = plain_events(parts)
    if not found or found.pop() != DONE:
        return None
    try:
        chunks = [_decode(data) for data in found]
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return None if any(chunk.error is not None for chunk in chunks) else chunks


def spread(total: int, sizes: list[int]) -> list[int]:
    """`total` tokens spread over chunks by their sizes, as evenly as whole numbers can be."""
    if total == len(sizes):
        return [1] * total
    ends = [total * end // sum(sizes) for end in accumulate(sizes)]
    return [end - begin for begin, end in pairwise([0, *ends])]


def _told(counts: list[int | None], total: int) -> list[int] | None:
    """Each chunk's own tokens, if the server told the count with each chunk."""
    known = [count for count in counts if count is not None]
    if len(known) < 2 or len(known) < len(counts):
        return None
    known[-1] = total  # the last chunk may be told of with the end
    each = [end - begin for begin, end in pairwise([0, *known])]
    return each if min(each) >= 0 else None


def _refused(exchange: Exchange, record: Record) -> None:
    """An answer with another status than 2xx."""
    status, body = exchange.status or 0, b"".join(exchange.parts)
    if 300 <= status < 400:
        _fail(record, "malformed", f"{status}: a redirect to {exchange.detail}, which is not followed")
        return
    try:
        detail = _message(msgspec.json.decode(body)) or _shown(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        detail = _shown(body)
    _fail(record, _class_of(status), f"{status}: {detail}")


def _class_of(status: int) -> str:
    if status == 429:
        return "rate_limited"
    return "http_4xx" if 400 <= status < 500 else "http_5xx"


def _failed_within(record: Record, error: Any) -> None:
    """An error that came as an event, after the 200."""
    code = error.get("code") if isinstance(error, dict) else None
    try:
        status = int(code)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        status = 500
    _fail(record, _class_of(status), f"within the stream: {_message({'error': error}) or error}")


def _message(content: Any) -> str | None:
    """OpenAI's {"error": {"message"}}, FastAPI's {"detail"}, or {"message"}."""
    if not isinstance(content, dict):
        return None
    error = content.get("error", content)
    if isinstance(error, str):
        return error
    found = error.get("message") or error.get("detail") if isinstance(error, dict) else None
    return str(found) if found else None


def _shown(body: bytes) -> str:
    return repr(body[:LONGEST_DETAIL].decode(errors="replace"))


def _fail(record: Record, failure: str, detail: str) -> None:
    record.error, record.error_detail = failure, detail[: 2 * LONGEST_DETAIL]
