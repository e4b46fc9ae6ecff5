"""The time windows of rankings and charts: to add one, add its record here and its name to period_rollups."""

from dataclasses import dataclass
from datetime import timedelta

RUN, HOUR, DAY = "run", "hour", "day"
STEPS = {HOUR: timedelta(hours=1), DAY: timedelta(days=1)}  # of fixed length
# Of the windows whose charts may have a value for each run.
LONGEST_BY_RUN = timedelta(days=1)


@dataclass(frozen=True)
class Trend:
    """What a sparkline shows: a mean per `step`, as far back as `reach`, which is `words` on the page.

    The step is an hour if it would be a run and there are too many.
    """

    step: str
    reach: timedelta
    words: str


@dataclass(frozen=True)
class Window:
    """How far back a ranking or a chart reaches.

    `reach` None means no limit or, for `latest`, each LLM's latest finished run. A window is rebuilt from its
    `parts` (run, hour or day) once the oldest of them has left it, and starts with the whole part that
    contains its nominal start; None: nothing leaves it. `chart_step` is the step of its charts, as that of a
    trend; None: it has none.
    """

    name: str
    title: str
    reach: timedelta | None
    parts: str | None
    chart_step: str | None
    trend: Trend
    is_exported: bool = False  # as a value of the label `window` of Prometheus metrics


_TREND_OF_RUNS = Trend(RUN, timedelta(hours=24), "24 hours")

WINDOWS = (
    Window("latest", "Latest run", None, None, None, _TREND_OF_RUNS, is_exported=True),
    Window("1h", "Last hour", timedelta(hours=1), RUN, RUN, _TREND_OF_RUNS),
    Window("24h", "Last 24 hours", timedelta(hours=24), HOUR, RUN, _TREND_OF_RUNS, is_exported=True),
    Window("7d", "Last 7 days", timedelta(days=7), DAY, HOUR, Trend(HOUR, timedelta(days=7), "7 days")),
    Window("30d", "Last 30 days", timedelta(days=30), DAY, DAY, Trend(DAY, timedelta(days=30), "30 days")),
    Window("all", "All time", None, None, DAY, Trend(DAY, timedelta(days=90), "90 days")),
)
LATEST = WINDOWS[0]
WINDOWS_BY_NAME = {window.name: window for window in WINDOWS}
CHARTED = tuple(window.name for window in WINDOWS if window.chart_step)
BY_RUN = tuple(window.name for window in WINDOWS if window.reach and window.reach <= LONGEST_BY_RUN)
