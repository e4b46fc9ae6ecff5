"""A replayed trace against a server that records what arrives, and when."""

import json
from collections import Counter
from time import monotonic_ns

import numpy as np
import pytest

from bench.traces import FOLDER
from llm_measure.client.level import measure_level
from llm_measure.endpoints import Endpoint
from llm_measure.load.traces import Trace, TraceFacts, trace_of
from llm_measure.records import Numbers
from llm_measure.results import LevelResult
from llm_measure.validity import MAX_LAG_MS
from llm_measure.workloads import Load, Workload
from tests.llm_measure.scripted import scripted, whole
from tests.llm_measure.streams import STREAMS

TRACE = Workload(trace=str(FOLDER / "mooncake.jsonl"), seed=1)
ANSWER = whole(STREAMS["no usage"].body)


def replay(load: Load, *steps, workload: Workload = TRACE, **options) -> tuple[LevelResult, list[int], list]:
    """Returns the level, when its requests arrived (ns, ascending), and their bodies."""
    arrived = []
    with scripted(lambda: arrived.append(monotonic_ns()), *steps, ANSWER, keep=True) as server:
        result = measure_level(Endpoint(server.url, "m"), workload, load, **options)
    bodies = [json.loads(request.partition(b"\r\n\r\n")[2]) for request in server.requests]
    return result, sorted(arrived), bodies


def moments_ms(trace: Trace, speed: float) -> np.ndarray:
    return trace.moments_ns / (1e6 * speed)


@pytest.mark.moments
@pytest.mark.parametrize("processes", [1, 2])
def test_each_request_arrives_at_its_moment_whatever_the_answers_do(processes):
    trace, speed = trace_of(TRACE), 10
    result, arrived, _ = replay(Load(speed=speed), 0.4, processes=processes)

    planned = moments_ms(trace, speed)
    late = np.array(arrived) / 1e6 - result.start_ns / 1e6 - planned
    print(
        f"p99 of the send lag: {result.send_lag.p99:.2f} ms; of the arrivals': {np.percentile(late, 99):.2f}"
    )
    assert result.send_lag.p99 < MAX_LAG_MS
    assert [(record.intended_ns - result.start_ns) / 1e6 for record in result.records] == pytest.approx(
        planned.tolist(), abs=0.001
    )
    assert np.percentile(late, 90) < MAX_LAG_MS
    assert late.min() > -1
    assert [record.index for record in result.records] == list(range(50))
    # Far more are in flight than would be if a request waited for an answer.
    assert result.duration_s < 0.4 + planned[-1] / 1000 + 1


@pytest.mark.parametrize("processes", [1, 3])
def test_each_request_has_the_lengths_of_its_row(processes):
    _, _, bodies = replay(Load(speed=1000), processes=processes)

    trace = trace_of(TRACE)
    lengths = zip(trace.input_tokens.tolist(), trace.output_tokens.tolist(), strict=True)
    arrived = ((len(body["messages"][0]["content"].split(" ")), body["max_tokens"]) for body in bodies)
    assert Counter(arrived) == Counter(lengths)


def test_levels_share_no_prompt_and_processes_do():
    first, _, bodies = replay(Load(speed=1000), processes=2)
    _, _, later = replay(Load(speed=2000), first=Numbers(len(first.records)))

    texts = [{body["messages"][0]["content"][:2000] for body in level} for level in (bodies, later)]
    assert not texts[0] & texts[1]
    # All conversations of the sample begin with the same block.
    assert len({text[:1000] for text in texts[0]}) == len({text[:1000] for text in texts[1]}) == 1


def test_the_cap_ends_the_trace_early():
    result, arrived, _ = replay(Load(speed=1000, requests=7))

    assert len(result.records) == len(arrived) == 7


def test_it_is_an_open_loop_whose_load_sets_rps():
    result, _, _ = replay(Load(speed=100))

    assert result.trace == TraceFacts("mooncake", 50, 0)
    assert result.rates.offered_rate > 1
    assert "rps" in result.not_ranked
    assert result.span.begin_ns == result.start_ns


def test_an_unusable_trace_is_reported_before_anything_is_sent(tmp_path):
    with pytest.raises(ValueError, match="nowhere: cannot be read"):
        replay(Load(speed=1), workload=Workload(trace=str(tmp_path / "nowhere")))
