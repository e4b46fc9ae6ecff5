"""The rules of failures: when an LLM is down or degraded in a scenario, and when it no longer is.

Only runs that say something of the LLM count, see `Verdict`: a run that failed before its endpoint was asked,
and one that is invalid or missed, is the harness's trouble.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from operator import gt, le, lt

from llm_measure.metrics import METRICS
from webapp.settings import Settings
from webapp.store import Connection, signals
from webapp.store.series import Verdict
from webapp.store.signals import Figures, NewSignal, SeriesSignal
from webapp.watch.findings import Findings, Found, Judged


@dataclass(frozen=True)
class Bound:
    """A bound on a metric of each run; a failed run has the `worst` value."""

    metric: str
    bound: float
    is_beyond: Callable[[float, float], bool]
    worst: float

    def value(self, run: Verdict) -> float | None:
        """Return the run's value; None if it has none."""
        return self.worst if run.failed else getattr(run, self.metric)

    def beyond(self, run: Verdict) -> bool:
        """Return whether the run is beyond the bound."""
        value = self.value(run)
        return value is not None and self.is_beyond(value, self.bound)


def bounds(settings: Settings) -> tuple[Bound, ...]:
    """Return the bounds beyond which an LLM is degraded."""
    return (
        Bound("error_rate", settings.watch_max_error_rate, gt, 1.0),
        Bound("slo_attainment", settings.watch_min_slo_attainment, lt, 0.0),
        # Of 0, no load met the objectives; other changes of capacity are those of a level.
        Bound("capacity", 0.0, le, 0.0),
    )


def judge_failures(conn: Connection, settings: Settings, judged: Judged, findings: Findings) -> None:
    """Find out whether the LLM is down or degraded in the scenario, and end what is over."""
    number = settings.watch_failed_runs
    _judge_down(conn, judged, number, findings)
    for bound in bounds(settings):
        _judge_bound(conn, judged, bound, number, findings)


def cause(runs: list[Verdict]) -> str | None:
    """Return the classes of the runs' failed requests, the most frequent first; None without any."""
    counts = sum((Counter(run.errors) for run in runs), Counter[str]())
    if not counts:
        return None
    named = ", ".join(f"{error} {number}" for error, number in counts.most_common())
    return f"{counts.total()} of {sum(run.requests for run in runs)} requests failed ({named})"


def _judge_down(conn: Connection, judged: Judged, number: int, findings: Findings) -> None:
    active, newest = judged.active("down"), judged.verdicts[0]
    if active and not newest.failed:
        _end(conn, judged, active, findings)
    runs = _since_accepted(judged, "down", None)[:number]
    if not active and len(runs) == number and all(run.failed for run in runs):
        signal = NewSignal("down", judged.key, runs[-1].slot, newest.slot)
        findings.new.append(Found(judged.subject, signal, newest.error))


def _judge_bound(conn: Connection, judged: Judged, bound: Bound, number: int, findings: Findings) -> None:
    metric_id = METRICS[bound.metric].id
    active = judged.active("degraded", metric_id)
    runs = _since_accepted(judged, "degraded", metric_id)[:number]
    if len(runs) < number:
        return
    values = [value for run in runs if (value := bound.value(run)) is not None]
    if active:
        if not any(bound.beyond(run) for run in runs):
            _end(conn, judged, active, findings)
        elif values:
            signals.update(conn, active.id, Figures(bound.bound, sum(values) / len(values)))
    elif all(bound.beyond(run) for run in runs) and not all(run.failed for run in runs):
        figures = Figures(bound.bound, sum(values) / len(values))
        signal = NewSignal(
            "degraded", judged.key, runs[-1].slot, runs[0].slot, metric_id=metric_id, figures=figures
        )
        findings.new.append(Found(judged.subject, signal, cause(runs)))


def _since_accepted(judged: Judged, kind: str, metric_id: int | None) -> list[Verdict]:
    """Return the runs after the end of the last such signal that somebody closed."""
    ends = [
        signal.ended_at
        for signal in judged.signals
        if signal.accepted and signal.ended_at and (signal.kind, signal.metric_id) == (kind, metric_id)
    ]
    return [run for run in judged.verdicts if not ends or run.slot > max(ends)]


def _end(conn: Connection, judged: Judged, signal: SeriesSignal, findings: Findings) -> None:
    signals.end(conn, signal.id, judged.slot)
    findings.changed.add(signal.incident_id)
