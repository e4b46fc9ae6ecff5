"""Availability bars: a bar for each day, whose height and color show the share of runs that succeeded."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from webapp.page.text import NONE, whole
from webapp.store import Connection, availability
from webapp.store.availability import Availability

DAYS = 90
SHORT_DAYS = 30
REACH = timedelta(days=DAYS)
# The least share of each level, best first.
LEVELS = (("good", 0.99), ("fair", 0.9), ("poor", 0.0))
HEIGHTS = {"good": 32, "fair": 24, "poor": 14, "none": 4}


@dataclass(frozen=True)
class Day:
    """A day's bar; `text` says in words what it shows, as in "26 Nov: 99.3 % of 144 runs"."""

    level: str
    height: int
    text: str


@dataclass(frozen=True)
class Bars:
    """The bars of an LLM's last DAYS days, oldest first, and its shares over them and the last SHORT_DAYS."""

    days: Sequence[Day]
    share: float | None
    short_share: float | None
    troubled: Sequence[Day]  # those on which runs failed, newest first


def read(
    conn: Connection,
    *,
    source: str,
    now: datetime,
    scenario_ids: list[int] | None = None,
    llm_id: int | None = None,
) -> dict[str, Bars]:
    """Return the bars by the name of each LLM that has any, of all ranked LLMs or of one."""
    rows: dict[str, list[Availability]] = {}
    for row in availability.read(
        conn, period="day", reach=REACH, now=now, source=source, scenario_ids=scenario_ids, llm_id=llm_id
    ):
        rows.setdefault(row.llm_name, []).append(row)
    return {name: bars(found, now) for name, found in rows.items()}


def bars(rows: Iterable[Availability], now: datetime) -> Bars:
    """Return the bars of an LLM from its rows by day (UTC)."""
    by_day = {row.starts_at: row for row in rows}
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    starts = [today - timedelta(days=back) for back in reversed(range(DAYS))]
    days = [_day(start, by_day.get(start)) for start in starts]
    failed = [number for number, start in enumerate(starts) if start in by_day and by_day[start].failed]
    return Bars(
        days,
        _share(by_day[start] for start in starts if start in by_day),
        _share(by_day[start] for start in starts[-SHORT_DAYS:] if start in by_day),
        [days[number] for number in reversed(failed)],
    )


def share(ratio: float | None) -> str:
    """Format a share with one decimal, rounded down, so that only all of them are 100 %; None as a dash."""
    return NONE if ratio is None else f"{math.floor(ratio * 1000 + 1e-9) / 10:g} %"


def level(ratio: float) -> str:
    """Return the level, one of LEVELS, of a share."""
    return next(name for name, least in LEVELS if ratio >= least)


def _day(start: datetime, row: Availability | None) -> Day:
    date = f"{start.day} {start:%b}"
    if row is None or row.ratio is None:
        return Day("none", HEIGHTS["none"], f"{date}: no data")
    name = level(row.ratio)
    runs = row.finished + row.failed
    text = f"{date}: {share(row.ratio)} of {whole(runs)} run{'s' if runs != 1 else ''}"
    return Day(name, HEIGHTS[name], text)


def _share(rows: Iterable[Availability]) -> float | None:
    found = list(rows)
    judged = sum(row.finished + row.failed for row in found)
    return sum(row.finished for row in found) / judged if judged else None
