"""Changes of level: each series of a metric's means, and of its 95th percentiles, against its recent past."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from psycopg2.extras import DateTimeTZRange

from llm_measure.detection import Look, false_discoveries, returned, shift
from llm_measure.detection import look as look_at
from llm_measure.metrics import METRICS, Metric
from webapp.settings import Settings
from webapp.store import Connection, changes, series, signals
from webapp.store.series import Key, Past, Statistic
from webapp.store.signals import Figures, NewSignal, SeriesSignal
from webapp.watch.failures import cause
from webapp.watch.findings import Findings, Found, Judged

Looking = Callable[..., Look]

# Of a series; older ones say little about what is normal now.
PAST_RUNS = 400
# The level of an active signal is compared with that of the runs before it.
RUNS_BEFORE = 100
# After this, a changed level is the normal one.
LASTING = timedelta(days=7)
# Share of false alarms among the alarms: at most one per series and 10,000 runs if nothing ever changes.
FALSE_DISCOVERY_RATE = 1e-4


@dataclass(frozen=True)
class Candidate:
    """A change of level that is raised if enough of the watched series agree that it is none by chance."""

    judged: Judged
    statistic: Statistic
    signal: NewSignal
    worse: bool


def watched_metrics() -> dict[int, Metric]:
    """Return the metrics whose level is watched, by id: quantities; ratios have bounds instead."""
    return {metric.id: metric for metric in METRICS if metric.unit.symbol != "ratio"}


def judge_levels(  # noqa: PLR0913, PLR0917  (each is part of what is judged)
    conn: Connection,
    settings: Settings,
    judged: Sequence[Judged],
    excluded: Sequence[DateTimeTZRange],
    findings: Findings,
    look: Looking = look_at,
) -> None:
    """Find the changes of level of the source's series that have new runs, and end what is over."""
    candidates = [
        candidate
        for each in judged
        if not each.verdicts[0].failed
        for candidate in _candidates(conn, settings, each, excluded, findings, look)
    ]
    if not candidates:
        return
    raised = _raised(conn, candidates[0].judged.key.source, min(each.slot for each in judged))
    for candidate in candidates:
        if (candidate.judged.key, candidate.statistic) in raised:
            _raise(conn, candidate, findings)


def _candidates(  # noqa: PLR0913, PLR0917  (private; see judge_levels)
    conn: Connection,
    settings: Settings,
    judged: Judged,
    excluded: Sequence[DateTimeTZRange],
    findings: Findings,
    look: Looking,
) -> Iterator[Candidate]:
    """Yield the changes of one LLM and scenario, and store their p-values."""
    past, metrics = _Past(conn, judged, excluded), watched_metrics()
    p_values = {}
    for statistic, values in past.newest.items():
        if values.slots[-1] != judged.slot:
            continue
        active = judged.active("change", *statistic)
        p_values[statistic] = 1.0
        if active:
            _judge_active(conn, judged, active, past.before(active), values, findings)
            continue
        found = look(values.times, values.values, min_change=settings.watch_min_change)
        p_values[statistic] = found.p_value
        if change := found.change:
            figures = Figures(change.before, change.after, change.change, change.low, change.high)
            started_at = values.slots[change.index]
            signal = NewSignal("change", judged.key, started_at, judged.slot, *statistic, figures)
            worse = (change.change > 0) == (metrics[statistic[0]].better == "lower")
            yield Candidate(judged, statistic, signal, worse)
    if p_values:
        series.keep_p_values(conn, judged.key, judged.slot, p_values)


class _Past:
    """The series of one LLM and scenario since their level was last accepted, without spans of trouble."""

    def __init__(self, conn: Connection, judged: Judged, excluded: Sequence[DateTimeTZRange]):
        self._conn = conn
        self._key = judged.key
        self._excluded = [
            *excluded,
            *(
                DateTimeTZRange(signal.started_at, signal.ended_at)
                for signal in judged.signals
                if signal.kind == "change" and signal.ended_at and not signal.accepted
            ),
        ]
        self._starts = signals.better_since(conn, judged.key)
        for signal in judged.signals:
            if signal.kind == "change" and signal.accepted and signal.metric_id and signal.statistic:
                statistic = (signal.metric_id, signal.statistic)
                former = self._starts.get(statistic, signal.started_at)
                self._starts[statistic] = max(former, signal.started_at)
        self.newest = self._read(PAST_RUNS)
        self._before: dict[datetime, dict[Statistic, Past]] = {}

    def before(self, signal: SeriesSignal) -> Past:
        """Return the series' values before the signal."""
        if signal.started_at not in self._before:
            self._before[signal.started_at] = self._read(RUNS_BEFORE, signal.started_at)
        found = self._before[signal.started_at]
        return found.get((signal.metric_id or 0, signal.statistic or ""), Past([], np.array([])))

    def _read(self, limit: int, before: datetime | None = None) -> dict[Statistic, Past]:
        found = series.newest_values(
            self._conn, self._key, list(watched_metrics()), self._excluded, limit, before
        )
        return {
            statistic: past.since(self._starts[statistic]) if statistic in self._starts else past
            for statistic, past in found.items()
        }


def _judge_active(  # noqa: PLR0913, PLR0917  (private; each is part of what is compared)
    conn: Connection,
    judged: Judged,
    signal: SeriesSignal,
    before: Past,
    newest: Past,
    findings: Findings,
) -> None:
    """End the signal if its level is back, or has lasted; else bring its figures up to date."""
    values = newest.since(signal.started_at).values
    findings.changed.add(signal.incident_id)
    if judged.slot - signal.started_at >= LASTING:
        signals.end(conn, signal.id, judged.slot, accepted=True)
    elif len(before.values) and returned(before.values, values):
        signals.end(conn, signal.id, judged.slot)
    elif len(before.values):
        change = shift(before.values, values)
        signals.update(
            conn, signal.id, Figures(change.before, change.after, change.change, change.low, change.high)
        )


def _raised(conn: Connection, source: str, newest: datetime) -> set[tuple[Key, Statistic]]:
    """Return the series of the source whose level has changed, at the rate of false discoveries."""
    p_values = series.p_values(conn, source, newest - LASTING)
    rejected = false_discoveries(np.array(list(p_values.values())), FALSE_DISCOVERY_RATE)
    return {each for each, is_rejected in zip(p_values, rejected, strict=True) if is_rejected}


def _raise(conn: Connection, candidate: Candidate, findings: Findings) -> None:
    """Note the change, and a signal if it is for the worse."""
    judged, signal = candidate.judged, candidate.signal
    changes.insert(conn, signal, candidate.worse)
    if candidate.worse:
        findings.new.append(Found(judged.subject, signal, cause(judged.verdicts[:1])))
