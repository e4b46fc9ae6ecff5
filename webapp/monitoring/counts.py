"""Counts of this server's worker processes together, in memory that they share.

prometheus_client's own way with several processes keeps files for each of them, reads all at each scrape, and
those of replaced workers stay. Here one block of memory is mapped before gunicorn forks. Each worker writes
to a row of its own, so processes share no lock; the successor of a dead worker goes on in its row, so that
nothing is lost and nothing piles up. One count costs about a microsecond.
"""

import mmap
import threading
from bisect import bisect_left
from collections.abc import Sequence

# More workers than gunicorn may have, twice: a reload starts the new ones before it ends the old.
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
STATUS_CELL = {str(status): place for place, status in enumerate(STATUSES)}
OTHER_STATUS = len(STATUSES)
FIRST_BUCKET = OTHER_STATUS + 1
SUM_CELL = FIRST_BUCKET + len(BOUNDS) + 1
SERIES_CELLS = SUM_CELL + 1


class Counts:
    """How often each of `series` was answered, with which status and how fast; and how often each event was.

    A row is a worker's; without gunicorn there is only the first.
    """

    def __init__(self, series: Sequence[tuple[str, str]]):
        self._place = {name: place * SERIES_CELLS for place, name in enumerate(series)}
        self._events = {event: len(series) * SERIES_CELLS + place for place, event in enumerate(EVENTS)}
        self._width = len(series) * SERIES_CELLS + len(EVENTS)
        # The first ROWS cells tell which rows were ever used: only those are read, and so take memory.
        self._cells = memoryview(mmap.mmap(-1, (ROWS + ROWS * self._width) * CELL_BYTES)).cast("Q")
        self._lock = threading.Lock()
        self.use_row(0)

    def use_row(self, row: int) -> None:
        """Count in this row from now on; for a process that has just been forked."""
        self._base = ROWS + row * self._width
        self._cells[row] = 1

    def place(self, series: tuple[str, str]) -> int:
        """Where the series' cells begin in each row; for `answered`."""
        return self._place[series]

    def answered(self, place: int, status: str, nanoseconds: int) -> None:
        """Count one answer to the series at `place`."""
        cells = self._cells
        place += self._base
        # Another thread may come between the two halves of +=.
        with self._lock:
            cells[place + STATUS_CELL.get(status, OTHER_STATUS)] += 1
            cells[place + FIRST_BUCKET + bisect_left(BOUNDS_NS, nanoseconds)] += 1
            cells[place + SUM_CELL] += nanoseconds

    def happened(self, event: str) -> None:
        """Count one of EVENTS."""
        place = self._base + self._events[event]
        with self._lock:
            self._cells[place] += 1

    def events(self) -> dict[str, int]:
        """How often each event was, in all processes."""
        totals = self._totals()
        return {event: totals[place] for event, place in self._events.items()}

    def answers(self) -> "list[Answered]":
        """The series that were ever answered, with the counts of all processes."""
        totals = self._totals()
        found = [Answered(*name, totals[place : place + SERIES_CELLS]) for name, place in self._place.items()]
        return [answered for answered in found if any(answered.buckets)]

    def _totals(self) -> list[int]:
        used = [row for row in range(ROWS) if self._cells[row]]
        starts = [ROWS + row * self._width for row in used]
        return [
            sum(column)
            for column in zip(*(self._cells[start : start + self._width] for start in starts), strict=True)
        ]


class Answered:
    """One series' counts."""

    def __init__(self, method: str, route: str, cells: list[int]):
        self.method = method
        self.route = route
        statuses = [*map(str, STATUSES), "other"]
        self.by_status = {status: n for status, n in zip(statuses, cells, strict=False) if n}
        self.buckets = cells[FIRST_BUCKET:SUM_CELL]
        self.seconds = cells[SUM_CELL] / 1e9
