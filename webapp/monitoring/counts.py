"""Counts of requests and cache events, summed over this server's worker processes, in shared memory.

prometheus_client's multiprocess mode keeps files for each process, reads all of them at each scrape, and
never deletes those of replaced workers. Here one block of memory is mapped before gunicorn forks. Each worker
writes to a separate row, so processes share no lock; the successor of a dead worker continues in its row, so
nothing is lost and nothing accumulates. Counting one request takes about a microsecond.
"""

import mmap
import threading
from bisect import bisect_left
from collections.abc import Sequence

# Twice the maximum number of gunicorn's workers: a reload starts the new ones before it ends the old.
ROWS = 512
CELL_BYTES = 8
# Upper bounds of the latency buckets, in seconds; the last bucket has none.
BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
BOUNDS_NS = [round(bound * 1e9) for bound in BOUNDS]
STATUSES = (
    *(200, 201, 202, 204, 206, 301, 302, 304, 308),
    *(400, 401, 403, 404, 405, 406, 413, 415, 422, 429, 500, 503),
)
EVENTS = ("cache_hit", "cache_miss")

# A series' cells: one for each status, one for any other, the buckets, and the sum of nanoseconds.
STATUS_CELL = {str(status): cell for cell, status in enumerate(STATUSES)}
OTHER_STATUS = len(STATUSES)
FIRST_BUCKET = OTHER_STATUS + 1
SUM_CELL = FIRST_BUCKET + len(BOUNDS) + 1
SERIES_CELLS = SUM_CELL + 1


class Counts:
    """Count responses by series, status and latency, and events by name.

    A series is a pair of method and route. Each gunicorn worker has a row; a single process has the first.
    """

    def __init__(self, series: Sequence[tuple[str, str]]):
        self._offsets = {name: index * SERIES_CELLS for index, name in enumerate(series)}
        self._events = {event: len(series) * SERIES_CELLS + index for index, event in enumerate(EVENTS)}
        self._width = len(series) * SERIES_CELLS + len(EVENTS)
        # The first ROWS cells mark the rows ever used: only those are read, and so take memory.
        self._cells = memoryview(mmap.mmap(-1, (ROWS + ROWS * self._width) * CELL_BYTES)).cast("Q")
        self._lock = threading.Lock()
        self.use_row(0)

    def use_row(self, row: int) -> None:
        """Count in this row from now on; call it in a process that has just been forked."""
        self._base = ROWS + row * self._width
        self._cells[row] = 1

    def offset(self, series: tuple[str, str]) -> int:
        """Return the series' first cell within a row, which `responded` takes."""
        return self._offsets[series]

    def responded(self, offset: int, status: str, nanoseconds: int) -> None:
        """Count one response of the series at `offset`."""
        cells = self._cells
        start = self._base + offset
        # += is not atomic: another thread may run between its read and its write.
        with self._lock:
            cells[start + STATUS_CELL.get(status, OTHER_STATUS)] += 1
            cells[start + FIRST_BUCKET + bisect_left(BOUNDS_NS, nanoseconds)] += 1
            cells[start + SUM_CELL] += nanoseconds

    def happened(self, event: str) -> None:
        """Count one of EVENTS."""
        cell = self._base + self._events[event]
        with self._lock:
            self._cells[cell] += 1

    def events(self) -> dict[str, int]:
        """Return the number of each event in all processes."""
        totals = self._totals()
        return {event: totals[cell] for event, cell in self._events.items()}

    def responses(self) -> "list[SeriesCounts]":
        """Return the series that have any response, with the counts of all processes."""
        totals = self._totals()
        all_series = [
            SeriesCounts(*name, totals[offset : offset + SERIES_CELLS])
            for name, offset in self._offsets.items()
        ]
        return [series for series in all_series if any(series.buckets)]

    def _totals(self) -> list[int]:
        used = [row for row in range(ROWS) if self._cells[row]]
        starts = [ROWS + row * self._width for row in used]
        return [
            sum(column)
            for column in zip(*(self._cells[start : start + self._width] for start in starts), strict=True)
        ]


class SeriesCounts:
    """One series' counts: responses by status and by bucket of BOUNDS, and their total time in seconds."""

    def __init__(self, method: str, route: str, cells: list[int]):
        self.method = method
        self.route = route
        statuses = [*map(str, STATUSES), "other"]
        self.by_status = {status: n for status, n in zip(statuses, cells, strict=False) if n}
        self.buckets = cells[FIRST_BUCKET:SUM_CELL]
        self.seconds = cells[SUM_CELL] / 1e9
