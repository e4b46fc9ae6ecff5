"""Shards of a level, measured here by threads of one process."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from threading import Barrier
from time import monotonic_ns

import pytest

from llm_measure.client.level import measure_share
from llm_measure.client.shards import Beginning, Shard, decode, encode, merge_shards, shard
from llm_measure.client.share import ClientResult
from llm_measure.endpoints import Endpoint
from llm_measure.load.prompts import WORD_BY_WORD
from llm_measure.mock_server.behaviour import Behaviour
from llm_measure.mock_server.process import running_mock_server
from llm_measure.results import ClientTime, LevelResult
from llm_measure.workloads import Load, Workload
from tests.measured import SECOND, START, answered

ENDPOINT = Endpoint("http://127.0.0.1:9/v1", "m")
ON_TIME = Beginning(offset_uncertainty_ms=0.25, late_ms=0.0)
IDLE = ClientTime(busy_s=0.1, waited_s=0.0, lasted_s=10.0)


def part(number: int, begin_ns: int, records, time: ClientTime = IDLE, **changes: object) -> Shard:
    """A shard on a machine whose clock showed `begin_ns` when the level began."""
    moved = [record.since(START - begin_ns) for record in records]
    result = ClientResult(moved, datetime(2026, 11, 26, tzinfo=UTC), begin_ns, time, True, "1.1")
    options = {"worker": f"w{number}", "host": f"h{number}", "beginning": ON_TIME} | changes
    return shard(number, result, **options)


def merged(*shards: Shard, load: Load | None = None) -> LevelResult:
    return merge_shards(ENDPOINT, Workload(), load or Load(rate=1, requests=4), shards, WORD_BY_WORD)


@pytest.mark.parametrize("load", [Load(concurrency=7, requests=21, warmup=7), Load(rate=200, requests=21)])
@pytest.mark.parametrize("shares", [2, 3])
def test_shares_measured_from_one_moment_are_together_the_whole_level(load, shares):
    everyone_is_ready = Barrier(shares)
    begun = []

    def begin() -> int:
        everyone_is_ready.wait(30)
        begun.append(monotonic_ns() + SECOND // 20)
        everyone_is_ready.wait(30)
        return begun[0]

    def measure(number: int) -> Shard:
        result = measure_share(endpoint, workload, load, number=number, shares=shares, begin=begin)
        return shard(number, result, worker="w", host="h", beginning=ON_TIME)

    workload = Workload(output_tokens=3, seed=1)
    with running_mock_server(Behaviour(ttft=0.02, itl=0.001)) as url, ThreadPoolExecutor(shares) as pool:
        endpoint = Endpoint(url, "m")
        level = merge_shards(endpoint, workload, load, list(pool.map(measure, range(shares))), WORD_BY_WORD)

    assert len({record.index for record in level.records}) == len(level.records) == 21 + load.warmup
    assert {record.error for record in level.records} == {None}
    assert sum(record.warmup for record in level.records) == load.warmup
    # All began together, whenever that was on their clocks.
    assert 0 <= min(record.intended_ns for record in level.records) < SECOND


def test_a_share_without_a_moment_ends_immediately():
    result = measure_share(
        ENDPOINT,
        Workload(seed=1),
        Load(rate=1, requests=1),
        number=1,
        shares=2,
        begin=monotonic_ns,
    )

    assert result.records == []


def test_moments_of_machines_with_different_clocks_become_moments_since_the_common_begin():
    first, second = [answered(0), answered(2)], [answered(1), answered(3)]

    level = merged(part(0, 5 * SECOND, first), part(1, 10**6 * SECOND, second))

    assert [record.sent_ns for record in level.records] == [0, SECOND, 2 * SECOND, 3 * SECOND]
    assert level.records == [answered(index).since(START) for index in range(4)]
    assert level.valid


def test_a_level_is_not_valid_if_the_machine_of_one_shard_was_the_limit():
    busy = replace(IDLE, busy_s=9.5)

    level = merged(part(0, 0, [answered(0), answered(2)]), part(1, 0, [answered(1), answered(3)], busy))

    assert not level.valid
    assert level.invalid_reason.startswith(
        "shard 2 of 2: the client was the limit: it used 95% of a processor"
    )


def test_a_shard_that_may_have_begun_at_another_moment_is_not_valid():
    vague = Beginning(offset_uncertainty_ms=15.0, late_ms=10.0)

    level = merged(part(0, 0, [answered(0)], beginning=vague), part(1, 0, [answered(1)]))

    assert level.invalid_reason == "shard 1 of 2: it may have begun 25 ms before or after the others"


def test_the_load_of_all_shards_together_must_have_been_held():
    level = merged(part(0, 0, [answered(0)]), part(1, 0, [answered(1)]), load=Load(concurrency=4, requests=4))

    assert level.invalid_reason == "concurrency 4 was never reached by 2 requests"


def test_a_shard_is_stored_with_all_that_is_known_of_its_requests():
    impossible = replace(answered(1), prompt_tokens=2**80)
    whole = part(1, START, [answered(0), impossible], invalid_reason="stopped after 60 s")

    assert decode(encode(whole)) == whole
    assert whole.result.records[1].error == "malformed"


def test_the_facts_of_a_shard_name_its_machine_and_how_well_it_began():
    facts = part(1, 0, [answered(0, warmup=True), answered(1)], beginning=Beginning(0.5, 1.5)).facts()

    assert (facts["worker"], facts["host"]) == ("w1", "h1")
    assert (facts["requests"], facts["offset_uncertainty_ms"], facts["begin_error_ms"]) == (1, 0.5, 2.0)
    assert facts["valid"]
