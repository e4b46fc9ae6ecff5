"""The figures of a level by the wire and by us, side by side."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.wire.answers import Answer
from llm_measure.metrics import derive
from llm_measure.records import Record
from llm_measure.results import LevelResult

FIGURES = ("ttft", "tpot", "itl", "gap")
QUANTILES = (50, 99)
MOST_MS, MOST_SHARE = 0.5, 0.01  # by which a figure may differ from the wire, whichever is more
ENDS = ("stop", 1)  # a finish reason whose token the server counts without showing it


@dataclass(frozen=True)
class Pair:
    """One figure in ms, by the wire and by us; NaN if there is none."""

    wire: float
    ours: float

    @property
    def is_close(self) -> bool:
        """Whether ours is within the bound of the wire's; without any figure on either side it is."""
        if np.isnan(self.wire) or np.isnan(self.ours):
            return bool(np.isnan(self.wire) and np.isnan(self.ours))
        return abs(self.ours - self.wire) <= max(MOST_MS, MOST_SHARE * self.wire)


@dataclass(frozen=True)
class Comparison:
    """A level by the wire and by us."""

    answers: int  # on the wire
    plain: int  # of them, with one token in each chunk
    pairs: dict[tuple[str, int], Pair]  # by figure and quantile
    are_counts_equal: bool
    invalid_reason: str | None

    @property
    def is_right(self) -> bool:
        """Whether every figure is close to the wire's, and every count is the server's."""
        return self.are_counts_equal and all(pair.is_close for pair in self.pairs.values())

    @property
    def verdict(self) -> str:
        """`ok`, `invalid`, or what is wrong."""
        if self.invalid_reason:
            return "invalid"
        wrong = [f"{name} p{q}" for (name, q), pair in self.pairs.items() if not pair.is_close]
        return ", ".join([*wrong, *([] if self.are_counts_equal else ["counts"])]) or "ok"


def compare(level: LevelResult, answers: Sequence[Answer]) -> Comparison:
    """Compare a level without warm-up with the answers of the same requests on the wire."""
    ours, wire = figures_of_records(level), figures_of_answers(answers)
    return Comparison(
        answers=len(answers),
        plain=sum(map(is_plain, answers)),
        pairs={
            (name, q): Pair(_quantile(wire[name], q), _quantile(ours[name], q))
            for name in FIGURES
            for q in QUANTILES
        },
        are_counts_equal=_counts_of_records(level.records) == _counts_of_answers(answers),
        invalid_reason=level.invalid_reason,
    )


def figures_of_answers(answers: Sequence[Answer]) -> dict[str, np.ndarray]:
    """Return ttft, tpot, itl and gap in ms, as the wire has them."""
    plain = [answer.text_ns for answer in answers if is_plain(answer)]
    return {
        "ttft": _ms([answer.text_ns[0] - answer.sent_ns for answer in answers if answer.text_ns]),
        "tpot": _ms([(text[-1] - text[0]) / (len(text) - 1) for text in plain if len(text) > 1]),
        "itl": _gaps(plain),
        "gap": _gaps([answer.text_ns for answer in answers]),
    }


def figures_of_records(level: LevelResult) -> dict[str, np.ndarray]:
    """Return ttft, tpot, itl and gap in ms, as we report them."""
    plain = derive([record for record in level.records if is_plain_record(record)], {}, level.span)
    return {
        "ttft": np.asarray(derive(level.records, {}, level.span)["ttft"]) * 1000,
        "tpot": np.asarray(plain["tpot"]) * 1000,
        "itl": np.asarray(plain["itl"]) * 1000,
        "gap": _gaps([record.chunk_offsets_ns for record in level.records if record.error is None]),
    }


def is_plain(answer: Answer) -> bool:
    """Return whether each chunk with text holds one token."""
    return _is_plain(answer.output_tokens, len(answer.text_ns), answer.finish_reason)


def is_plain_record(record: Record) -> bool:
    """Return the same of a record."""
    return _is_plain(record.output_tokens, len(record.chunk_offsets_ns), record.finish_reason)


def _is_plain(tokens: int | None, chunks: int, finish_reason: str | None) -> bool:
    surplus = (tokens or 0) - chunks
    return surplus == 0 or (finish_reason, surplus) == ENDS


def _counts_of_answers(answers: Sequence[Answer]) -> list[tuple[int, int]]:
    """Return the chunks with text and the server's count of each answer, sorted: sends may overtake."""
    return sorted((len(answer.text_ns), answer.output_tokens or 0) for answer in answers)


def _counts_of_records(records: Sequence[Record]) -> list[tuple[int, int]]:
    return sorted((len(record.chunk_offsets_ns), record.output_tokens or 0) for record in records)


def _gaps(moments: Sequence[Sequence[int]]) -> np.ndarray:
    return _ms([gap for each in moments for gap in np.diff(each)])


def _ms(nanoseconds: Sequence[float]) -> np.ndarray:
    return np.asarray(nanoseconds, dtype=np.float64) / 1e6


def _quantile(values: np.ndarray, q: int) -> float:
    return float(np.percentile(values, q, method="inverted_cdf")) if len(values) else float("nan")
