from contextlib import closing
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as limits
from hypothesis import strategies as st
from scipy import special, stats

from tests.factories import add_llm, add_rollups, add_run
from tests.support import query
from webapp.store import connect, rollups, views

NOW = datetime(2026, 11, 24, 12, 34, 56, tzinfo=UTC)
# Where each window starts at NOW: at the start of the part that contains its nominal start.
SINCE = {
    "1h": NOW - timedelta(hours=1),
    "24h": datetime(2026, 11, 23, 12, tzinfo=UTC),
    "7d": datetime(2026, 11, 17, tzinfo=UTC),
    "30d": datetime(2026, 10, 25, tzinfo=UTC),
    "all": datetime(1970, 1, 1, tzinfo=UTC),
}
EXACT = 1e-9
NEAR = 0.01 + 1e-9

# A run: the age of its slot in seconds (spread over all windows), its number of values, and their mean.
RUN = st.tuples(
    st.one_of(st.integers(1, 3600), st.integers(1, 90_000), st.integers(1, 40 * 86_400)),
    st.integers(1, 60),
    st.floats(-1e3, 1e3),
)


def write(conn, runs: list[tuple[datetime, np.ndarray]], llm: str = "GPT-4o") -> None:
    """Finish runs with these slots and values of ttft."""
    for slot, values in runs:
        add_rollups(conn, add_run(conn, slot, llm), {"ttft": values})
    conn.commit()


def refresh(conn, now: datetime = NOW) -> None:
    views.refresh(conn, now, views.raise_generation(conn))
    conn.commit()


def shown(conn, window: str) -> dict | None:
    """The row of the window in the views, by column."""
    with conn, conn.cursor() as cursor:
        cursor.execute(
            "SELECT * FROM metric_means NATURAL JOIN metric_quantiles WHERE time_window = %s", (window,)
        )
        row = cursor.fetchone()
        return row and dict(zip([column.name for column in cursor.description], row, strict=True))


def interval(runs: list[np.ndarray]) -> tuple[float, float]:
    """The 95 % interval by its textbook formula, computed from all values."""
    values = np.concatenate(runs)
    n, mean = len(values), values.mean()
    if len(runs) > 1:
        squares = sum(len(run) ** 2 * (run.mean() - mean) ** 2 for run in runs)
        error = np.sqrt(len(runs) / (len(runs) - 1) * squares) / n
        df = len(runs) - 1
    else:
        error, df = values.std(ddof=1) / np.sqrt(n), n - 1
    reach = stats.t.ppf(0.975, df) * error
    return mean - reach, mean + reach


def check(row: dict | None, runs: list[tuple[datetime, np.ndarray]]) -> None:
    """Compare a row with NumPy and SciPy on all values of the runs."""
    if not runs:
        assert row is None
        return
    values = np.concatenate([run for _, run in runs])
    scale = np.abs(values).max()
    assert (row["runs"], row["n"]) == (len(runs), len(values))
    assert (row["min"], row["max"]) == (values.min(), values.max())
    assert row["last_measured"] == max(slot for slot, _ in runs)
    np.testing.assert_allclose(row["mean"], values.mean(), rtol=EXACT, atol=EXACT * scale)
    if len(values) > 1:
        np.testing.assert_allclose(row["stddev"], values.std(ddof=1), rtol=EXACT, atol=EXACT * scale)
        np.testing.assert_allclose(
            (row["ci_low"], row["ci_high"]),
            interval([run for _, run in runs]),
            rtol=EXACT,
            atol=EXACT * scale,
        )
    else:
        assert row["stddev"] is row["ci_low"] is row["ci_high"] is None
    for name, q in (("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99)):
        exact = np.quantile(values, q, method="inverted_cdf")
        assert abs(row[name] - exact) <= NEAR * abs(exact), name


@pytest.fixture
def empty(settings):
    """Opens connections to the test's database after deleting its runs."""

    def connection():
        conn = connect(settings)
        with conn, conn.cursor() as cursor:
            cursor.execute("TRUNCATE runs, rollups, period_rollups RESTART IDENTITY CASCADE")
        return conn

    return connection


@given(
    st.lists(RUN, min_size=1, max_size=12, unique_by=lambda run: run[0]),
    st.integers(0, 2**32 - 1),
    st.integers(1, 5),
)
@limits(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_windows_equal_numpy_and_scipy_in_whatever_order_runs_are_merged(empty, made, seed, parts):
    """Runs are merged one by one or together, in any order, at different times."""
    random = np.random.default_rng(seed)
    runs = [
        (NOW - timedelta(seconds=age), random.normal(mean, 1 + abs(mean) / 3, size))
        for age, size, mean in made
    ]
    with closing(empty()) as conn:
        for part in np.array_split(random.permutation(len(runs)), parts):
            write(conn, [runs[index] for index in part])
            refresh(conn, NOW - timedelta(days=float(random.uniform(0, 20))))
        refresh(conn)

        for window, since in SINCE.items():
            check(shown(conn, window), [run for run in runs if run[0] >= since])
        check(shown(conn, "latest"), [max(runs, key=lambda run: run[0])])


def test_hours_and_days_contain_their_runs(conn):
    slots = [datetime(2026, 11, 24, hour, minute, tzinfo=UTC) for hour in (9, 10) for minute in (0, 59)]
    write(conn, [(slot, np.full(10, float(slot.hour))) for slot in slots])
    refresh(conn)

    rows = query(
        conn,
        "SELECT period, starts_at, runs, n, mean FROM period_rollups"
        " WHERE period IN ('hour', 'day') ORDER BY period, starts_at",
    )

    assert rows == [
        ("day", datetime(2026, 11, 24, tzinfo=UTC), 4, 40, 9.5),
        ("hour", datetime(2026, 11, 24, 9, tzinfo=UTC), 2, 20, 9.0),
        ("hour", datetime(2026, 11, 24, 10, tzinfo=UTC), 2, 20, 10.0),
    ]


def test_runs_leave_a_window_by_the_passing_of_time_alone(conn):
    write(conn, [(NOW - timedelta(minutes=50), np.array([1.0, 2.0])), (NOW, np.array([5.0, 6.0]))])
    refresh(conn)
    assert shown(conn, "1h")["n"] == 4
    assert not views.are_outdated(conn, NOW)

    later = NOW + timedelta(minutes=30)
    assert views.are_outdated(conn, later)
    refresh(conn, later)
    assert shown(conn, "1h")["mean"] == 5.5

    refresh(conn, NOW + timedelta(days=2))
    assert shown(conn, "1h") is shown(conn, "24h") is None
    assert (shown(conn, "7d")["n"], shown(conn, "latest")["n"]) == (4, 2)


def test_student_t_is_exact_to_a_billionth(conn):
    degrees = [*range(1, 500), 1000, 10_000, 10**6, 10**9]

    found = query(conn, "SELECT t_975(df) FROM unnest(%s::bigint[]) AS df", degrees)

    np.testing.assert_allclose(np.ravel(found), special.stdtrit(degrees, 0.975), rtol=EXACT)


def test_the_interval_contains_the_true_mean_in_95_percent_of_cases(conn):
    """With values correlated within runs, where an interval over all values contains it far less often."""
    llms, runs, size, truth = 500, 6, 5, 10.0
    random = np.random.default_rng(20)
    for number in range(llms):
        add_llm(conn, f"LLM {number}")
        effects = random.normal(0, 1, runs)
        write(
            conn,
            [
                (NOW - timedelta(minutes=index), truth + effect + random.normal(0, 1, size))
                for index, effect in enumerate(effects)
            ],
            f"LLM {number}",
        )
    refresh(conn)

    ((covered, naive),) = query(
        conn,
        "SELECT avg((ci_low < 10 AND 10 < ci_high)::int),"
        " avg((abs(mean - 10) < 2.045 * stddev / sqrt(n))::int) FROM metric_means WHERE time_window = 'all'",
    )

    assert 0.93 <= covered <= 0.97
    assert naive < 0.80


@given(
    st.lists(RUN, min_size=1, max_size=8, unique_by=lambda run: run[0]),
    st.integers(0, 2**32 - 1),
)
@limits(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_windows_follow_runs_whose_rollups_have_changed(empty, made, seed):
    random = np.random.default_rng(seed)

    def values() -> list[np.ndarray]:
        return [random.normal(mean, 1 + abs(mean) / 3, size) for _, size, mean in made]

    slots = [NOW - timedelta(seconds=age) for age, _, _ in made]
    found, changed = values(), values()
    with closing(empty()) as conn:
        write(conn, list(zip(slots, found, strict=True)))
        refresh(conn)
        ids = dict(query(conn, "SELECT slot, id FROM runs"))
        which = random.permutation(len(made))[: random.integers(1, len(made) + 1)]
        with conn:
            for index in which:
                found[index] = changed[index]
                rollups.delete(conn, ids[slots[index]])
                add_rollups(conn, ids[slots[index]], {"ttft": changed[index]})
            views.rebuild(conn, [ids[slots[index]] for index in which], NOW)

        runs = list(zip(slots, found, strict=True))
        for window, since in SINCE.items():
            check(shown(conn, window), [run for run in runs if run[0] >= since])
        check(shown(conn, "latest"), [max(runs, key=lambda run: run[0])])
