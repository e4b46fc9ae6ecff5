"""Change detection on series of known truth, next to Apache Otava on the same series."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from bench.detect import judging, ours, peer
from bench.detect.series import DAY, HOUR, USUAL, Shift, generate
from bench.detect.trials import MIN_CHANGE, Alarms, Task, Trial, changed, steady
from bench.harness import Row, compare, seconds
from webapp.settings import Settings

STEADY_SERIES, CHANGED_SERIES = 10, 100
DEFAULT_SERIES = 3  # of which Otava's default has enough alarms to be counted
MOST_FALSE_ALARMS = 1  # per 10,000 runs
LEAST_COUNTED = 0.5  # false alarms per 10,000 runs for which Otava can be calibrated
# A step of 20 % is found within 3 runs in 95 % of series, one of 10 % within 8 in the median: even a CUSUM
# that knows level and noise exactly, with a false alarm per 10,000 runs, finds it within 8 in 93 % of series.
LARGE, SMALL = Trial(USUAL, Shift(0.2), CHANGED_SERIES), Trial(USUAL, Shift(0.1), CHANGED_SERIES)
LARGE_RUNS, LARGE_SHARE, SMALL_RUNS = 3, 0.95, 8
NOT_WORSE = 0.95  # of Otava's share: 100 series do not show smaller differences
COMPARABLE = 3  # false alarms per 10,000 runs that 10,000 runs cannot distinguish from 1
MOST_MS = 5
YEAR, FIVE_WEEKS = 365 * DAY, 35 * DAY  # a look reads at most four weeks
INTERVALS = {"hourly": HOUR, "every 10 min": 600}

Found = dict[Trial, list[Alarms]]


def measure(settings: Settings) -> list[Row]:
    """False alarms of 10 x 1,000 runs, changes of 100 series; the baseline is Apache Otava."""
    quiet, few, steps = steady(STEADY_SERIES), steady(DEFAULT_SERIES), changed(CHANGED_SERIES)
    found = _found([*quiet, *steps], ours.alarms)
    max_pvalue = peer.calibrated(quiet[0], max(quiet[0].per_10_000(found[quiet[0]]), LEAST_COUNTED))
    otava = _found([*quiet, *steps], lambda tasks: peer.alarms(tasks, max_pvalue))
    default = _found([*few, *steps], lambda tasks: peer.alarms(tasks, peer.DEFAULT))
    comparable = {trial.condition for trial in quiet if trial.per_10_000(otava[trial]) <= COMPARABLE}
    return [
        *(_false_alarms(trial, found, otava) for trial in quiet),
        *_promises(found),
        *(row for trial in steps for row in _changes(trial, found, otava, trial.condition in comparable)),
        Row("Otava's max_pvalue at our rate of false alarms", "", max_pvalue),
        *(
            Row(f"Otava's default: false alarms, {trial.name}", "", trial.per_10_000(found[trial]),
                same.per_10_000(default[same]))
            for trial, same in zip(quiet, few, strict=True)
        ),
        *(_of_default(trial, found, default) for trial in steps),
        *_cost(),
        *judging.rows(settings),
    ]  # fmt: skip


def _found(trials: Sequence[Trial], alarms: Callable[[list[Task]], list[Alarms]]) -> Found:
    """Return the alarms of each series by trial."""
    remaining = iter(alarms([task for trial in trials for task in trial.tasks()]))
    return {trial: [next(remaining) for _ in range(trial.series)] for trial in trials}


def _false_alarms(trial: Trial, found: Found, otava: Found) -> Row:
    rate = trial.per_10_000(found[trial])
    return Row(f"false alarms per 10,000 runs, {trial.name}", "", rate, trial.per_10_000(otava[trial]),
               rate / MOST_FALSE_ALARMS, at_most=1)  # fmt: skip


def _promises(found: Found) -> list[Row]:
    share = LARGE.share_within(found[LARGE], LARGE_RUNS)
    delay = SMALL.median_delay(found[SMALL])
    return [
        Row(f"{LARGE.name}: found within {LARGE_RUNS} runs / the bound", "%", 100 * share, 100 * LARGE_SHARE,
            share / LARGE_SHARE, at_least=1),
        Row(f"{SMALL.name}: median delay / the bound", "runs", delay, SMALL_RUNS, delay / SMALL_RUNS,
            at_most=1),
    ]  # fmt: skip


def _changes(trial: Trial, found: Found, otava: Found, comparable: bool) -> list[Row]:
    """Return the rows of a change; `comparable`: whether Otava has as few false alarms in this condition.

    Changes smaller than the smallest one worth an alarm have no bound.
    """
    rows, bound = [], NOT_WORSE if comparable and abs(trial.shift.size) >= MIN_CHANGE else None
    for runs in trial.within:
        share, other = (trial.share_within(each[trial], runs) for each in (found, otava))
        rows.append(Row(f"{trial.name}: found within {runs} runs", "%", 100 * share, 100 * other,
                        share / other if other else None, at_least=bound))  # fmt: skip
    delays = (trial.median_delay(each[trial]) for each in (found, otava))
    return [*rows, Row(f"{trial.name}: median delay", "runs", *delays)]


def _of_default(trial: Trial, found: Found, default: Found) -> Row:
    """Return the share of changes that are found soonest."""
    runs = trial.within[0]
    shares = (100 * trial.share_within(each[trial], runs) for each in (found, default))
    return Row(f"Otava's default: {trial.name}: {runs} runs", "%", *shares)


def _cost() -> list[Row]:
    """Return the times of a look, which must not grow with history."""
    rows = []
    for name, interval in INTERVALS.items():
        of_year, of_weeks = (_look(interval, span) for span in (YEAR, FIVE_WEEKS))
        what = f"look, a year of runs {name}"
        row = compare(f"{what} / 5 weeks", "ms", of_year, of_weeks, rounds=50, warmup=5, at_most=1.5)
        rows += [row, Row(f"{what} / the bound", "ms", row.ours, MOST_MS, row.ours / MOST_MS, at_most=1)]
    return rows


def _look(interval: int, span: int) -> Callable[[], float]:
    """Return a function that looks at the newest run of a series and returns the milliseconds."""
    series = generate(replace(USUAL, interval=interval), 0, span // interval)
    return lambda: seconds(lambda: ours.newest(series.times, series.values)) * 1000
