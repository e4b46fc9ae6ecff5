"""Traces: when requests came and how long they were, read from published files into arrays."""

from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from llm_measure.files import reason
from llm_measure.load.datasets import DatasetError
from llm_measure.load.trace_formats import FaultError, Request, TraceFormat, requests_of
from llm_measure.records import SECOND_NS
from llm_measure.workloads import Load, Workload


class TraceError(DatasetError):
    """The trace is unusable; the message names the file and the line."""


@dataclass(frozen=True)
class TraceFacts:
    """What a report says of a trace."""

    format: TraceFormat
    rows: int  # of the file
    left_out: int  # of these rows: without prompt or response, as failed requests are


@dataclass(frozen=True, eq=False)
class Trace:
    """The requests of a trace, or of a window of it, by their moments; 16 bytes each, and 8 for each block.

    `blocks` has the hashes of the prompts' blocks of all requests in a row; those of request i are from
    `block_begins[i]` up to `block_begins[i + 1]`.
    """

    facts: TraceFacts
    moments_ns: np.ndarray  # int64, ascending, since the first request
    input_tokens: np.ndarray  # int32, from 1
    output_tokens: np.ndarray  # int32, from 1
    blocks: np.ndarray  # int64
    block_begins: np.ndarray  # int64; empty if there are no blocks

    def __len__(self) -> int:
        return len(self.moments_ns)

    def blocks_of(self, row: int) -> list[int]:
        """Return the hashes of a prompt's blocks; empty if nothing is known of them."""
        if not len(self.block_begins):
            return []
        return self.blocks[self.block_begins[row] : self.block_begins[row + 1]].tolist()


def replayed(workload: Workload, load: Load) -> Trace | None:
    """Return the trace that the load replays, None for another load; ValueError if one lacks the other."""
    check_replay(workload, load)
    return trace_of(workload) if workload.trace else None


def check_replay(workload: Workload, load: Load) -> None:
    """Raise ValueError for a trace without a speed, and for a speed without a trace."""
    if (workload.trace is None) != (load.speed is None):
        missing = "trace" if workload.trace is None else "speed"
        raise ValueError(f"{missing}: missing; expected both a trace and its speed")


def trace_of(workload: Workload) -> Trace:
    """Return the workload's trace, within its window; raises TraceError.

    Rows need not be in order. Those without prompt or response tokens are left out: BurstGPT records failed
    requests so. Seconds of a window count from the first request; its end is not part of it.
    """
    with _reading(workload):
        return _read(*_version(workload))


def seconds_of(workload: Workload, load: Load) -> float:
    """Return the time from the first request of the trace to the last that the load sends; raises TraceError.

    It is kept of many traces, which a plan names, whereas only one is kept whole.
    """
    with _reading(workload):
        return _seconds(load.requests, *_version(workload)) / (load.speed or 1)


def _version(workload: Workload) -> tuple[str, tuple[float, float] | None, int, int]:
    """Return what changes with what is read."""
    path = workload.trace or ""
    status = Path(path).stat()
    return path, workload.trace_window, status.st_mtime_ns, status.st_size


@contextmanager
def _reading(workload: Workload) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise TraceError(f"{workload.trace}: cannot be read: {reason(error)}") from None


@lru_cache(maxsize=256)
def _seconds(
    requests: int | None, path: str, window: tuple[float, float] | None, changed_ns: int, size: int
) -> float:
    trace = _read(path, window, changed_ns, size)
    last = min(requests or len(trace), len(trace)) - 1
    return float(trace.moments_ns[last]) / SECOND_NS


@lru_cache(maxsize=1)  # plan and requests need the same one
def _read(path: str, window: tuple[float, float] | None, changed_ns: int, size: int) -> Trace:
    columns = _Columns()
    # The lines' own ends are kept, so that a CSV's quoted text may have some. Moments and lengths are ASCII.
    with open(path, encoding="utf-8-sig", errors="replace", newline="") as file:
        try:
            name, requests = requests_of(file)
            columns.fill(requests)
        except FaultError as fault:
            raise TraceError(f"{path}:{fault.line}: {fault}") from None
    trace = columns.trace(name)
    if not len(trace):
        raise TraceError(f"{path}: no requests; expected at least one with prompt and response tokens")
    return _within(trace, window, path) if window else trace


class _Columns:
    """Collects rows in arrays that grow."""

    def __init__(self) -> None:
        self._moments_ns, self._blocks, self._block_begins = array("q"), array("q"), array("q", [0])
        self._input_tokens, self._output_tokens = array("i"), array("i")
        self._left_out = 0

    def fill(self, requests: Iterator[Request]) -> None:
        """Add the requests; FaultError."""
        for request in requests:
            if not request.input_tokens or not request.output_tokens:
                self._left_out += 1
                continue
            self._moments_ns.append(request.moment_ns)
            self._input_tokens.append(request.input_tokens)
            self._output_tokens.append(request.output_tokens)
            self._blocks.extend(request.blocks)
            self._block_begins.append(len(self._blocks))

    def trace(self, name: TraceFormat) -> Trace:
        """Return the whole trace, by moment; it may be empty."""
        rows = len(self._moments_ns)
        found = Trace(
            TraceFacts(name, rows + self._left_out, self._left_out),
            np.array(self._moments_ns),
            np.array(self._input_tokens),
            np.array(self._output_tokens),
            np.array(self._blocks),
            np.array(self._block_begins if self._blocks else (), dtype=np.int64),
        )
        if np.any(np.diff(found.moments_ns) < 0):
            found = _selected(found, np.argsort(found.moments_ns, kind="stable"))
        if rows:
            found.moments_ns[:] -= found.moments_ns[0]
        return found


def _within(trace: Trace, window: tuple[float, float], path: str) -> Trace:
    begin, end = np.searchsorted(trace.moments_ns, np.rint(np.array(window) * SECOND_NS))
    if begin == end:
        raise TraceError(
            f"{path}: no requests from {window[0]:g} s to {window[1]:g} s; the last one is at"
            f" {trace.moments_ns[-1] / SECOND_NS:g} s"
        )
    found = _selected(trace, np.arange(begin, end))
    found.moments_ns[:] -= found.moments_ns[0]
    return found


def _selected(trace: Trace, rows: np.ndarray) -> Trace:
    """Return these rows in this order, in arrays that hold nothing else."""
    blocks, begins = trace.blocks, trace.block_begins
    if len(begins):
        numbers = np.diff(begins)[rows]
        ends = np.cumsum(numbers)
        # Each block's index is that of its row's first one, and how far it is from there.
        blocks = blocks[np.repeat(begins[rows] - (ends - numbers), numbers) + np.arange(numbers.sum())]
        begins = np.concatenate(([0], ends))
    return Trace(
        trace.facts,
        trace.moments_ns[rows],
        trace.input_tokens[rows],
        trace.output_tokens[rows],
        blocks,
        begins,
    )
