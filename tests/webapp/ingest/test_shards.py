"""Results of shards, which become one run when the last one is stored."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from jobs.maintenance import end_abandoned
from llm_measure.client.shards import Beginning, shard
from llm_measure.client.share import ClientResult
from llm_measure.load.prompts import WORD_BY_WORD
from llm_measure.results import ClientTime
from llm_measure.workloads import Load, Workload
from tests.measured import START, answered, failed, measurement
from tests.support import query
from webapp.ingest.attempt import claimed
from webapp.ingest.register import register
from webapp.ingest.shards import store_shard

SLOT = datetime(2026, 11, 24, 12, tzinfo=UTC)
WHAT = measurement(shards=3, load=Load(rate=1, requests=6))


def part(number: int, records):
    time = ClientTime(busy_s=0.1, waited_s=0, lasted_s=6)
    result = ClientResult(records, datetime(2026, 11, 24, 12, tzinfo=UTC), START, time, True, "1.1")
    return shard(number, result, worker=f"w{number}", host="h", beginning=Beginning(0.1, 0))


SHARDS = [part(number, [answered(number), answered(number + 3)]) for number in range(3)]


@pytest.fixture
def attempt(conn, settings, redis):
    """Begins an attempt at the run of SLOT."""

    def begin():
        register(conn, settings, redis, WHAT)
        with claimed(
            conn,
            settings,
            source="measurement",
            scenario=WHAT.scenario,
            slot=SLOT,
            job_id="job",
            llm=WHAT.llm,
        ) as attempt:
            return attempt

    return begin


@pytest.fixture
def store(conn):
    def store(attempt, *shards) -> None:
        for each in shards:
            store_shard(conn, attempt, WHAT, each, WORD_BY_WORD)

    return store


def counts(conn) -> tuple[int, ...]:
    """The numbers of stored shards, requests, and points of one metric."""
    ((found),) = query(
        conn,
        "SELECT (SELECT count(*) FROM run_shards), (SELECT count(*) FROM requests),"
        " (SELECT count(*) FROM points JOIN metrics ON id = metric_id WHERE name = 'ttft')",
    )
    return found


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_the_last_one_to_come_makes_them_one_run(conn, attempt, store, order):
    begun = attempt()

    store(begun, *(SHARDS[number] for number in order[:2]))
    assert counts(conn) == (2, 0, 0)
    assert query(conn, "SELECT status FROM runs") == [("running",)]
    store(begun, SHARDS[order[2]])

    assert counts(conn) == (0, 6, 6)
    ((status, measured),) = query(conn, "SELECT status, measurement FROM runs")
    assert status == "finished"
    assert [(each["shard"], each["worker"]) for each in measured["shards"]] == [
        (0, "w0"),
        (1, "w1"),
        (2, "w2"),
    ]
    numbers = query(conn, "SELECT number, sent_ns FROM requests ORDER BY number")
    assert numbers == [(number, number * 1_000_000_000 + 1000) for number in range(6)]


def test_the_run_knows_the_lengths_that_were_drawn_with_the_seed_of_the_attempt(conn, attempt):
    begun, drawn = attempt(), replace(WHAT, workload=Workload(input_tokens="64..128"))

    for each in SHARDS:
        store_shard(conn, begun, drawn, each, WORD_BY_WORD)

    ((asked,),) = query(conn, "SELECT measurement #> '{prompt_tokens,asked}' FROM runs")
    assert 6 * 64 < asked < 6 * 128


def test_one_that_is_stored_twice_counts_once(conn, attempt, store):
    begun = attempt()

    store(begun, SHARDS[0], SHARDS[0], SHARDS[1])
    assert counts(conn) == (2, 0, 0)
    store(begun, SHARDS[2], SHARDS[2])

    assert counts(conn) == (0, 6, 6)


def test_late_ones_of_an_earlier_attempt_write_nothing(conn, attempt, store):
    former = attempt()
    store(former, SHARDS[0], SHARDS[1])
    newer = attempt()

    store(former, SHARDS[2])
    assert counts(conn) == (2, 0, 0)
    store(newer, *SHARDS)

    # What the earlier attempt had stored went with it.
    assert counts(conn) == (0, 6, 6)
    assert query(conn, "SELECT status, attempts FROM runs") == [("finished", 2)]


def test_a_level_without_a_correct_response_is_a_failed_run(conn, attempt, store):
    store(attempt(), *(part(number, [failed(number)]) for number in range(3)))

    ((status, error),) = query(conn, "SELECT status, error FROM runs")
    assert (status, error.partition(" (")[0]) == ("failed", "all 3 requests failed")
    assert counts(conn) == (0, 3, 0)


def test_maintenance_deletes_those_of_attempts_that_have_ended(conn, settings, redis, attempt, store):
    store(attempt(), *SHARDS[:2])
    store(attempt(), SHARDS[0])

    end_abandoned(conn, settings, redis, SLOT)
    assert counts(conn)[0] == 1
    with conn, conn.cursor() as cursor:
        cursor.execute("UPDATE runs SET status = 'failed', error = 'lost'")
    end_abandoned(conn, settings, redis, SLOT)

    assert counts(conn)[0] == 0
