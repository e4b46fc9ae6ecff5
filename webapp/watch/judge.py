"""The judging of runs whose end a refresh shows, in the refresh's transaction."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta

from psycopg2.extras import DateTimeTZRange

from llm_measure.detection import look as look_at
from webapp.settings import Settings
from webapp.store import Connection, self_checks, series, signals
from webapp.store.series import Key
from webapp.store.views import EndedRun
from webapp.watch.failures import judge_failures
from webapp.watch.findings import Findings, Judged
from webapp.watch.grouping import group
from webapp.watch.levels import LASTING, Looking, judge_levels

SOURCES = ("simulation", "measurement")
# A hundredth of the self-check's time to first token, and a tenth of the smallest change that is reported by
# default. With five processes competing for each core, it is less than half of that.
MOST_OFF_S = 0.002
# In its intervals: how long a self-check counts that no other one follows.
SELF_CHECK_LASTS = 2


def judge(
    conn: Connection,
    settings: Settings,
    ended: Sequence[EndedRun],
    now: datetime,
    look: Looking = look_at,
) -> None:
    """Judge the runs, and open, update and resolve incidents.

    Part of the transaction that shows the runs, so that it happens once for each; others wait for its end.
    """
    for source in SOURCES:
        newest = series.newest_slot(conn, source)
        if newest is None:
            continue
        findings = Findings()
        excluded = _off(conn, settings) if source == "measurement" else []
        judged = _judged(conn, settings, [run for run in ended if run.source == source], excluded, newest)
        for each in judged:
            judge_failures(conn, settings, each, findings)
        judge_levels(conn, settings, judged, excluded, findings, look)
        for signal_id, incident_id in signals.abandoned(conn, source, newest - LASTING):
            signals.end(conn, signal_id, newest, accepted=True)
            findings.changed.add(incident_id)
        group(conn, settings, source, findings, now)


def _judged(
    conn: Connection,
    settings: Settings,
    ended: Sequence[EndedRun],
    excluded: Sequence[DateTimeTZRange],
    newest: datetime,
) -> list[Judged]:
    """Return the series whose newest run is one of these; a late or imported one is no news.

    Nor is one that is older than what is accepted as normal.
    """
    run_ids = defaultdict(set)
    for run in ended:
        if run.status in {"finished", "failed"} and run.slot > newest - LASTING:
            run_ids[Key(run.source, run.scenario_id, run.llm_id)].add(run.id)
    found = []
    for key, ids in run_ids.items():
        verdicts = series.newest_verdicts(conn, key, excluded, settings.watch_failed_runs)
        if verdicts and verdicts[0].run_id in ids:
            found.append(Judged(key, verdicts, signals.of_series(conn, key)))
    return found


def _off(conn: Connection, settings: Settings) -> list[DateTimeTZRange]:
    """Return when the client measured wrongly; none if nothing checks it."""
    reach = timedelta(seconds=SELF_CHECK_LASTS * settings.self_check_interval)
    return self_checks.off(conn, MOST_OFF_S, reach) if reach else []
