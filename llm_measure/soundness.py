"""Whether a record's values can be true, as metrics and databases rely on."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

from llm_measure.limits import MAX_TOKENS
from llm_measure.records import Record

MAX_MOMENT_NS = 10**18  # 31 years, so that differences fit into 64 bits
MOMENT, SPAN = (-MAX_MOMENT_NS, MAX_MOMENT_NS), (0, MAX_MOMENT_NS)
RANGES = {
    "index": (0, 2**31 - 1),
    "connect_ns": SPAN,
    "first_token_unsure_ns": SPAN,
    "late_chunks": (0, MAX_TOKENS),
    "pause_ns": SPAN,
    "prompt_tokens": (0, MAX_TOKENS),
    "cached_tokens": (0, MAX_TOKENS),
    "output_tokens": (0, MAX_TOKENS),
    "reasoning_tokens": (0, MAX_TOKENS),
    "status": (0, 999),
    "conversation": (0, 2**31 - 1),
    "turn": (1, 2**15 - 1),
}
# In the order in which they come; None: it did not come.
MOMENTS = (
    "intended_ns",
    "sent_ns",
    "first_byte_ns",
    "first_token_ns",
    "first_answer_ns",
    "last_token_ns",
    "end_ns",
)


def fault(record: Record) -> str | None:
    """Return the first value that cannot be true, as `field=value: what was expected`; None if all can."""
    return next(_faults(record), None)


def sound(record: Record) -> Record:
    """Return the record, as a failed request if one of its values cannot be true."""
    found = fault(record)
    return refused(record, found) if found else record


def refused(record: Record, detail: str) -> Record:
    """Return the request as one that failed, without what its response claimed; it has no fault."""
    intended_ns = _within(record.intended_ns, *MOMENT)
    sent_ns = max(_within(record.sent_ns, *MOMENT), intended_ns)
    return replace(
        record,
        intended_ns=intended_ns,
        sent_ns=sent_ns,
        end_ns=max(_within(record.end_ns, *MOMENT), sent_ns),
        connect_ns=_within(record.connect_ns, *SPAN),
        first_byte_ns=None,
        first_token_ns=None,
        first_answer_ns=None,
        last_token_ns=None,
        chunk_offsets_ns=[],
        chunk_tokens=[],
        late_chunks=0,
        first_token_unsure_ns=0,
        prompt_tokens=None,
        cached_tokens=None,
        output_tokens=None,
        reasoning_tokens=None,
        token_source=None,
        pause_ns=None,
        answer_valid=None,
        status=_known(record, "status"),
        conversation=_known(record, "conversation"),
        turn=_known(record, "turn"),
        error="malformed",
        error_detail=detail,
    )


def _faults(record: Record) -> Iterator[str]:
    for name, (low, high) in RANGES.items():
        yield from outside(name, getattr(record, name), low, high)
    for name in MOMENTS:
        yield from outside(name, getattr(record, name), *MOMENT)
    known = [(name, moment) for name in MOMENTS if (moment := getattr(record, name)) is not None]
    for (before, earlier), (name, moment) in pairwise(known):
        if moment < earlier:
            yield f"{name}={moment}: before {before}; expected at least {earlier}"
    yield from _chunk_faults(record)


def _chunk_faults(record: Record) -> Iterator[str]:
    offsets, tokens = record.chunk_offsets_ns, record.chunk_tokens
    if len(offsets) != len(tokens):
        yield f"chunk_tokens: {len(tokens)} values; expected {len(offsets)}, as in chunk_offsets_ns"
    if not offsets or not tokens:
        return
    yield from outside("chunk_tokens", min(tokens), 0, MAX_TOKENS)
    yield from outside("chunk_offsets_ns", offsets[0], 0, MAX_MOMENT_NS)
    yield from outside("chunk_offsets_ns", max(offsets), 0, record.end_ns - record.sent_ns)
    if sorted(offsets) != offsets:
        yield "chunk_offsets_ns: out of order; expected none before its predecessor"
    if sum(tokens) > (record.output_tokens or 0):
        yield f"chunk_tokens: {sum(tokens)} in total; expected at most output_tokens={record.output_tokens}"


def outside(name: str, value: float | None, low: float, high: float) -> Iterator[str]:
    """Yield what is wrong with a value out of its range; nothing for None."""
    if value is not None and not low <= value <= high:
        yield f"{name}={_shown(value)}: out of range; expected {low} to {high}"


def _known(record: Record, name: str) -> int | None:
    """Return the value; None if it cannot be true."""
    value = getattr(record, name)
    return None if any(outside(name, value, *RANGES[name])) else value


def _within(value: int, low: int, high: int) -> int:
    return min(max(value, low), high)


def _shown(value: float) -> str:
    """Return the number, or its size if it is too long to be read."""
    bits = value.bit_length() if isinstance(value, int) else 0
    return str(value) if bits <= 128 else f"a number of {bits} bits"
