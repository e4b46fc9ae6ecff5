from contextlib import closing
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import numpy as np
import pytest

from llm_measure.stats.histogram import Histogram
from tests.support import query
from webapp.store import connect, rollups, runs, views
from webapp.store.rollups import Rollup

SLOT = datetime(2026, 11, 24, 12, tzinfo=UTC)
MEANS = """
SELECT source, name, n, mean, stddev, min, max
FROM metric_means JOIN llms ON llms.id = llm_id WHERE time_window = 'latest'
ORDER BY source, name
"""


@pytest.fixture
def finish(conn):
    """Finishes a run of every LLM, with a rollup of ttft that has the mean."""

    def finish(slot=SLOT, source="simulation", mean=1.5):
        token = uuid4()
        claimed = runs.claim(conn, source=source, scenario="default", slot=slot, token=token, job_id="job")
        rollups.insert(
            conn,
            [Rollup(run.id, 1, 5, mean, 16.0, 0.5, 2.5, Histogram.of(np.full(5, 1.0))) for run in claimed],
        )
        runs.finish(conn, claimed, 5)
        conn.commit()

    return finish


def refresh(conn) -> int:
    generation = views.raise_generation(conn)
    views.refresh(conn, SLOT, generation)
    conn.commit()
    return generation


def means(conn) -> dict[tuple[str, str], float]:
    return {(row[0], row[1]): row[3] for row in query(conn, MEANS)}


def test_the_view_shows_each_llms_rollup(conn, finish):
    finish()
    refresh(conn)

    assert query(conn, MEANS)[1] == ("simulation", "GPT-4o", 5, 1.5, 2.0, 0.5, 2.5)


def test_the_latest_run_is_that_of_the_latest_finished_slot_not_the_last_stored(conn, finish):
    finish(SLOT, mean=2.0)
    finish(SLOT - timedelta(hours=1), mean=1.0)
    runs.claim(
        conn,
        source="simulation",
        scenario="default",
        slot=SLOT + timedelta(hours=1),
        token=uuid4(),
        job_id="unfinished",
    )
    refresh(conn)

    assert set(means(conn).values()) == {2.0}


def test_sources_are_never_mixed(conn, finish):
    finish(SLOT, "simulation", mean=1.0)
    finish(SLOT + timedelta(hours=1), "measurement", mean=2.0)
    refresh(conn)

    assert means(conn)["simulation", "GPT-4o"] == 1.0
    assert means(conn)["measurement", "GPT-4o"] == 2.0


def test_one_value_has_no_standard_deviation(conn, finish):
    finish()
    with conn, conn.cursor() as cursor:
        cursor.execute("UPDATE rollups SET n = 1, m2 = 0, histogram.counts = ARRAY[1]")
    refresh(conn)

    assert {row[4] for row in query(conn, MEANS)} == {None}


def test_a_refresh_raises_the_generation_and_marks_what_it_shows(conn, finish):
    before = views.generation(conn)
    assert not views.are_outdated(conn, SLOT)
    finish()
    assert views.are_outdated(conn, SLOT)

    generation = refresh(conn)

    assert before < generation == views.generation(conn)
    assert not views.are_outdated(conn, SLOT)
    assert query(conn, "SELECT DISTINCT generation FROM runs") == [(generation,)]


def test_readers_see_the_old_views_and_generation_until_the_commit(settings, conn, finish):
    before = views.generation(conn)
    finish()
    number = views.raise_generation(conn)
    views.refresh(conn, SLOT, number)

    with closing(connect(settings)) as reader:
        assert query(reader, MEANS) == []
        assert views.generation(reader) == before
        reader.rollback()
        conn.commit()
        assert len(query(reader, MEANS)) == 3
        assert views.generation(reader) == number
