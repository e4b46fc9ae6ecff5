"""What arrives at a server over one process and over several: lengths as they were asked for."""

import json
from collections import Counter

from llm_measure import Endpoint, Load, Workload, measure
from llm_measure.load.lengths import Lengths
from tests.llm_measure.scripted import scripted, whole
from tests.llm_measure.streams import STREAMS

STREAM = STREAMS["role first, usage last"].body


def arriving(workload: Workload, processes: int, requests: int = 60) -> tuple[dict, list[dict]]:
    """The level's report, and the bodies that a server received."""
    with scripted(whole(STREAM), keep=True) as server:
        result = measure(
            Endpoint(server.url, "m"),
            workload,
            Load(concurrency=4, requests=requests),
            processes=processes,
            probe=False,
        )
    bodies = [json.loads(request.partition(b"\r\n\r\n")[2]) for request in server.requests]
    return result.to_dict()["levels"][0], bodies


def test_several_processes_send_the_lengths_of_one():
    workload = Workload(input_tokens="8..64", output_tokens="lognormal:40,20", seed=3)
    expected = Lengths.of(workload, 3)

    for processes in (1, 3):
        level, bodies = arriving(workload, processes)
        sent = Counter(
            (len(each["messages"][0]["content"].split(" ")), each["max_tokens"]) for each in bodies
        )

        assert sent == Counter((expected.input_tokens(n), expected.output_tokens(n)) for n in range(60))
        assert level["prompt_tokens"]["asked"] == sum(length * n for (length, _), n in sent.items())
        assert level["output_tokens"]["asked"] == sum(maximum * n for (_, maximum), n in sent.items())
