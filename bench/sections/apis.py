"""Each provider API against the mock server, whose true times and token counts are known."""

import numpy as np

from bench.harness import Row
from llm_measure import apis
from llm_measure.client.level import measure_level
from llm_measure.endpoints import Endpoint
from llm_measure.metrics import derive
from llm_measure.mock_server.behaviour import Behaviour
from llm_measure.mock_server.dialects import dialect_of
from llm_measure.mock_server.process import running_mock_server
from llm_measure.results import LevelResult
from llm_measure.workloads import Load, Workload
from webapp.settings import Settings

TTFT, ITL, TOKENS = 0.2, 0.02, 32
STREAMS = (1, 50, 400)
REQUESTS_PER_STREAM, LEAST_REQUESTS = 4, 20
MOST_ERROR_MS = {50: 0.5, 99: 10.0}  # by quantile
BASES = ("/v1", "")  # of APIs at the mock server


def measure(settings: Settings) -> list[Row]:
    """Each API with 1, 50 and 400 streams of 32 tokens, 200 ms to the first and 20 ms between."""
    rows = []
    with running_mock_server(Behaviour(ttft=TTFT, itl=ITL)) as url:
        for name in apis.names():
            for streams in STREAMS:
                endpoint = Endpoint(url.removesuffix("/v1") + _base(name), "mock", name)
                requests = max(REQUESTS_PER_STREAM * streams, LEAST_REQUESTS)
                load = Load(concurrency=streams, requests=requests, warmup=streams)
                result = measure_level(endpoint, Workload(output_tokens=TOKENS), load)
                rows += _rows(f"{name} at c{streams}", result)
    return rows


def _base(name: str) -> str:
    path = apis.named(name).path("mock").partition("?")[0]
    return next(base for base in BASES if dialect_of(f"{base}/{path}"))


def _rows(subject: str, result: LevelResult) -> list[Row]:
    """Return the errors of times by quantile, and how many requests have a wrong number of tokens."""
    found = derive(result.records, {}, result.span)
    rows = []
    for metric, true in (("ttft", TTFT), ("itl", ITL)):
        errors_ms = np.abs(found[metric] - true) * 1000
        for quantile, bound in MOST_ERROR_MS.items():
            error = float(np.percentile(errors_ms, quantile))
            what = f"{subject}: error of {metric}, p{quantile} / the bound"
            rows.append(Row(what, "ms", error, bound, error / bound, at_most=1))
    wrong = sum(record.output_tokens != TOKENS for record in result.records)
    return [
        *rows,
        Row(f"{subject}: requests with wrong token counts", "", wrong, None, wrong, at_most=0),
    ]
