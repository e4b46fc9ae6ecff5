"""The judging of runs whose end a refresh shows, in the refresh's transaction."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from webapp.settings import Settings
from webapp.store import Connection, self_checks, series, signals
from webapp.store.series import Key, Span
from webapp.store.views import EndedRun
from webapp.watch.failures import judge_failures
from webapp.watch.findings import Findings, Judged
from webapp.watch.grouping import group
from webapp.watch.levels import LASTING, judge_levels

# A hundredth of the self-check's time to first token, and more than twice the error on a machine on which
# five other processes compete for each core, see docs/benchmark-file.md.
MOST_OFF_S = 0.002
# In intervals: how long a self-check counts that no other one follows.
SELF_CHECK_LASTS = 2


def judge(conn: Connection, settings: Settings, ended: Sequence[EndedRun], now: datetime) -> None:
    """Judge the runs, and open, update and resolve incidents.

    Part of the transaction that shows the runs, so that it happens once for each; others wait for its end.
    """
    findings = Findings()
    run_ids = _news(conn, ended)
    if run_ids:
        off = _off(conn, settings)
        excluded = {key: off if key.source == "measurement" else [] for key in run_ids}
        judged = _judged(conn, settings, run_ids, excluded)
        for each in judged:
            judge_failures(conn, settings, each, findings)
        judge_levels(conn, settings, judged, excluded, findings)
    findings.changed |= signals.end_abandoned(conn, LASTING)
    group(conn, settings, findings, now)


def _news(conn: Connection, ended: Sequence[EndedRun]) -> dict[Key, set[int]]:
    """Return the ids of the runs by series, without those so old that their level would be the normal one."""
    newest = series.newest_slots(conn, {run.source for run in ended})
    run_ids = defaultdict(set)
    for run in ended:
        if run.status in {"finished", "failed"} and run.slot > newest[run.source] - LASTING:
            run_ids[Key(run.source, run.scenario_id, run.llm_id)].add(run.id)
    return run_ids


def _judged(
    conn: Connection,
    settings: Settings,
    run_ids: Mapping[Key, set[int]],
    excluded: Mapping[Key, Sequence[Span]],
) -> list[Judged]:
    """Return the series whose newest run is one of these; a late or imported one is no news."""
    verdicts = series.newest_verdicts(conn, excluded, settings.watch_failed_runs)
    of_series = signals.of_series(conn, verdicts)
    return [
        Judged(key, newest, of_series[key])
        for key, newest in verdicts.items()
        if newest[0].run_id in run_ids[key]
    ]


def _off(conn: Connection, settings: Settings) -> list[Span]:
    """Return when the client measured wrongly; in empty spans if nothing checks it any more."""
    reach = timedelta(seconds=SELF_CHECK_LASTS * settings.self_check_interval)
    return self_checks.off(conn, MOST_OFF_S, reach)
