"""Changes of level: each series of a metric's means, and of its 95th percentiles, against its recent past."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from llm_measure.detection import ALPHA, Change, Look, false_discoveries, look, returned, shift
from llm_measure.metrics import METRICS, Metric
from webapp.settings import Settings
from webapp.store import Connection, changes, series, signals
from webapp.store.series import EMPTY, Key, Past, Span, Statistic
from webapp.store.signals import Figures, NewSignal, SeriesSignal
from webapp.watch.failures import cause
from webapp.watch.findings import Findings, Found, Judged

# Nine days of a run every 10 minutes: those of the level, and those in which the rhythm of days shows itself.
PAST_RUNS = 1400
# The level of an active signal is compared with that of the runs before it.
RUNS_BEFORE = 100
# After this, a changed level is the normal one.
LASTING = timedelta(days=7)


@dataclass(frozen=True)
class Candidate:
    """A change of level, which is raised unless it may be one by chance."""

    judged: Judged
    statistic: Statistic
    signal: NewSignal
    worse: bool


def watched_metrics() -> dict[int, Metric]:
    """Return the metrics whose level is watched, by id: quantities; ratios have bounds instead."""
    return {metric.id: metric for metric in METRICS if metric.unit.symbol != "ratio"}


def judge_levels(
    conn: Connection,
    settings: Settings,
    judged: Sequence[Judged],
    excluded: Mapping[Key, Sequence[Span]],
    findings: Findings,
) -> None:
    """Find the changes of level of series whose newest run has finished, and end what is over."""
    finished = [each for each in judged if not each.verdicts[0].failed]
    if not finished:
        return
    pasts = _Pasts(conn, finished, excluded)
    candidates: list[Candidate] = []
    p_values = {}
    for each in finished:
        newest = {
            statistic: past
            for statistic, past in pasts.newest(each.key).items()
            if past and past.newest == each.slot
        }
        _accept_unmeasured(conn, each, newest, findings)
        for statistic, past in newest.items():
            active = each.active("change", *statistic)
            found = Look(1.0, None)
            if active:
                _judge_active(conn, each, active, pasts.before(each.key, active), past, findings)
            else:
                found = look(past.values, min_change=settings.watch_min_change, inflation=past.inflation)
            p_values[each.key, statistic] = (each.slot, found.p_value)
            if found.change:
                candidates.append(_candidate(each, statistic, past, found.change))
    series.keep_p_values(conn, p_values)
    _raise(conn, candidates, findings)


class _Pasts:
    """The series without the rhythm of days, since their level was last accepted, closed or better.

    A close is one of all series of the incident's subject: also of those that have not shown the change yet,
    and of those that have got worse twice.

    Spans of trouble that is over are left out, too, but for the rhythm; and but for a level that is still
    changed, since all its values since then decide whether it is back.
    """

    def __init__(self, conn: Connection, judged: Sequence[Judged], excluded: Mapping[Key, Sequence[Span]]):
        self._conn = conn
        self._excluded = excluded
        self._over: dict[Key, list[Span]] = {each.key: [] for each in judged}
        self._changed: dict[tuple[Key, Statistic], datetime] = {}
        self._starts = signals.better_since(conn, [each.key for each in judged])
        subjects = {each.key: (each.key.source, each.subject) for each in judged}
        closed = signals.closed_since(conn, set(subjects.values()))
        self._closed = {key: closed[subject] for key, subject in subjects.items() if subject in closed}
        for each in judged:
            for signal in each.signals:
                if signal.kind == "change":
                    self._note(each.key, signal)
        wanted = {each.key: excluded[each.key] for each in judged}
        newest = series.newest_values(conn, wanted, watched_metrics(), PAST_RUNS)
        self._newest = {
            key: {statistic: self._level(key, statistic, past) for statistic, past in found.items()}
            for key, found in newest.items()
        }

    def newest(self, key: Key) -> dict[Statistic, Past]:
        """Return the newest values of the series, by statistic that has any."""
        return self._newest[key]

    def before(self, key: Key, signal: SeriesSignal) -> Past:
        """Return the values of the signal's statistic before it, which may be older than the newest ones."""
        statistic = _statistic(signal)
        if known := self._newest[key][statistic].before(signal.started_at).last(RUNS_BEFORE):
            return known
        wanted = {key: self._excluded[key]}
        found = series.newest_values(self._conn, wanted, watched_metrics(), RUNS_BEFORE, signal.started_at)
        return self._level(key, statistic, found[key].get(statistic, EMPTY))

    def _level(self, key: Key, statistic: Statistic, past: Past) -> Past:
        changed = self._changed.get((key, statistic))
        over = [(start, min(end, changed or end)) for start, end in self._over[key]]
        steady = past.without_rhythm().without(over)
        starts = [self._starts.get((key, statistic)), self._closed.get(key)]
        return steady.since(max(filter(None, starts))) if any(starts) else steady

    def _note(self, key: Key, signal: SeriesSignal) -> None:
        at = (key, _statistic(signal))
        if signal.ended_at is None:
            self._changed[at] = signal.started_at
        elif signal.accepted:
            self._starts[at] = max(self._starts.get(at, signal.started_at), signal.started_at)
        else:
            self._over[key].append((signal.started_at, signal.ended_at))


def _statistic(signal: SeriesSignal) -> Statistic:
    return signal.metric_id or 0, signal.statistic or ""


def _accept_unmeasured(
    conn: Connection, judged: Judged, newest: Collection[Statistic], findings: Findings
) -> None:
    """End the signals that have lasted of statistics without a value in the newest run: none may follow."""
    for signal in judged.signals:
        is_active = signal.kind == "change" and not signal.ended_at
        if is_active and _statistic(signal) not in newest and _has_lasted(judged, signal):
            signals.end(conn, signal.id, judged.slot, accepted=True)
            findings.changed.add(signal.incident_id)


def _has_lasted(judged: Judged, signal: SeriesSignal) -> bool:
    return judged.slot - signal.started_at >= LASTING


def _judge_active(  # noqa: PLR0913, PLR0917  (private; each is part of what is compared)
    conn: Connection, judged: Judged, signal: SeriesSignal, before: Past, newest: Past, findings: Findings
) -> None:
    """End the signal if its level is back, or has lasted; else bring its figures up to date."""
    values = newest.since(signal.started_at).values
    findings.changed.add(signal.incident_id)
    if _has_lasted(judged, signal):
        signals.end(conn, signal.id, judged.slot, accepted=True)
    elif len(before.values) and returned(before.values, values):
        signals.end(conn, signal.id, judged.slot)
    elif len(before.values):
        signals.update(conn, signal.id, _figures(shift(before.values, values)))


def _candidate(judged: Judged, statistic: Statistic, past: Past, change: Change) -> Candidate:
    slot = past.slot(change.index)
    signal = NewSignal("change", judged.key, slot, judged.slot, *statistic, _figures(change))
    worse = (change.change > 0) == (watched_metrics()[statistic[0]].better == "lower")
    return Candidate(judged, statistic, signal, worse)


def _figures(change: Change) -> Figures:
    return Figures(change.before, change.after, change.change, change.low, change.high)


def _raise(conn: Connection, candidates: Sequence[Candidate], findings: Findings) -> None:
    """Note the changes that are none by chance among all series of their source; worse ones are signals."""
    for source in sorted({each.judged.key.source for each in candidates}):
        of_source = [each for each in candidates if each.judged.key.source == source]
        p_values = series.p_values(conn, source, min(each.judged.slot for each in of_source) - LASTING)
        rejected = false_discoveries(np.array(list(p_values.values())), ALPHA)
        raised = {each for each, is_rejected in zip(p_values, rejected, strict=True) if is_rejected}
        for each in of_source:
            if (each.judged.key, each.statistic) in raised:
                changes.insert(conn, each.signal, each.worse)
                if each.worse:
                    likely = cause(each.judged.verdicts[:1])
                    findings.new.append(Found(each.judged.subject, each.signal, likely))
