"""Short measurements of servers of the tests' own."""

from collections import Counter

from llm_measure.client.level import measure_level
from llm_measure.endpoints import Endpoint
from llm_measure.records import ERROR_CLASSES
from llm_measure.results import LevelResult
from llm_measure.soundness import fault
from llm_measure.workloads import Load, Workload
from tests.llm_measure.scripted import head
from tests.llm_measure.streams import STREAMS

TOKENS = 5
STREAM = STREAMS["role first, usage last"].body
CHUNKED = head("200 OK", "text/event-stream", "transfer-encoding: chunked")


def measured(url, requests=2, timeout_s=5.0, key=None, concurrency=1, **options) -> LevelResult:
    workload = Workload(output_tokens=TOKENS, timeout_s=timeout_s)
    load = Load(concurrency=concurrency, requests=requests)
    return measure_level(Endpoint(url, "m", api_key=key, **options).with_variables(), workload, load)


def errors(result: LevelResult) -> Counter:
    """The number of requests by class of error; None: successful."""
    assert all(record.error in (None, *ERROR_CLASSES) for record in result.records)
    assert all(record.error_detail for record in result.records if record.error)
    for record in result.records:
        assert fault(record) is None, fault(record)
        for text in (record.error_detail, record.finish_reason):
            assert text is None or (text.isprintable() and len(text) <= 400)
    return Counter(record.error for record in result.records)
