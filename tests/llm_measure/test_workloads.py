import pytest

from llm_measure.endpoints import Endpoint
from llm_measure.workloads import Load, Workload


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: Endpoint("localhost:8000", "m"), "base_url='localhost:8000'"),
        (lambda: Endpoint("ftp://x/v1", "m"), "base_url"),
        (lambda: Endpoint("http://", "m"), "base_url"),
        (lambda: Endpoint("http://x:99999/v1", "m"), "base_url"),
        (lambda: Endpoint("http://us:secret@x/v1", "m"), "base_url"),
        (lambda: Endpoint("http://x/v1?key=1", "m"), "base_url"),
        (lambda: Endpoint("http://x/v1", ""), "model"),
        (lambda: Endpoint("http://x/v1", "m", "embeddings"), "api='embeddings'"),
        (lambda: Endpoint("http://x/v1", "m", api_key="a\r\nb"), "api_key: must"),
        (lambda: Load(requests=1), "either a concurrency or a rate"),
        (lambda: Load(concurrency=1, rate=1, requests=1), "either a concurrency or a rate"),
        (lambda: Load(concurrency=1), "a number of requests or a duration"),
        (lambda: Load(concurrency=1, requests=1, duration_s=1), "a number of requests or a duration"),
        (lambda: Load(concurrency=0, requests=1), "concurrency=0"),
        (lambda: Load(rate=0, requests=1), "rate=0"),
        (lambda: Load(rate=float("nan"), requests=1), "rate=nan"),
        (lambda: Load(rate=1, duration_s=float("inf")), "duration_s=inf"),
        (lambda: Load(rate=1, requests=0), "requests=0"),
        (lambda: Load(rate=1, requests=1, warmup=-1), "warmup=-1"),
        (lambda: Load(rate=1, requests=1, arrival="burst"), "arrival='burst'"),
        (lambda: Workload(input_tokens=3), "input_tokens=3: must be at least 4"),
        (lambda: Workload(output_tokens=0), "output_tokens=0"),
        (lambda: Workload(timeout_s=0), "timeout_s=0"),
        (lambda: Workload(slo={"rps": 1}), "slo=rps"),
        (lambda: Workload(slo={"ttft": 0}), "slo=ttft=0"),
    ],
)
def test_what_cannot_be_asked_is_refused_by_name_and_value(make, word):
    with pytest.raises(ValueError, match=word.replace("(", "\\(")):
        make()


def test_the_key_is_never_shown():
    assert "sesame" not in repr(Endpoint("http://x/v1", "m", api_key="sesame"))
