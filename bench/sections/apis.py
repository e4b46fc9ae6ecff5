"""Each provider API against the mock server, whose true times and token counts are known."""

import os

import numpy as np

from bench.harness import Row
from llm_measure import apis
from llm_measure.client.level import measure_level
from llm_measure.endpoints import Endpoint
from llm_measure.load.inputs import QUERY_WORDS
from llm_measure.metrics import derive
from llm_measure.mock_server.behaviour import Behaviour
from llm_measure.mock_server.dialects import dialect_of
from llm_measure.mock_server.process import running_mock_server
from llm_measure.records import Record
from llm_measure.results import LevelResult
from llm_measure.workloads import Load, Workload
from webapp.settings import Settings

TTFT, ITL, TOKENS, INPUTS = 0.2, 0.02, 32, 8
STREAMS = (1, 50, 400)
REQUESTS_PER_STREAM, LEAST_REQUESTS = 4, 20
MOST_ERROR_MS = {50: 0.5, 99: 10.0}  # by quantile
CREDENTIALS = dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"), "us-east-1")
BASES = ("/v1", "")  # of APIs at the mock server


def measure(settings: Settings) -> list[Row]:
    """Each API at 1, 50, 400 streams: 200 ms to the first of 32 tokens or to the answer, 20 ms between."""
    rows = []
    os.environ.update(CREDENTIALS)
    with running_mock_server(Behaviour(ttft=TTFT, itl=ITL)) as url:
        for name in apis.names():
            for streams in STREAMS:
                endpoint = Endpoint(url.removesuffix("/v1") + _base(name), "mock", name)
                requests = max(REQUESTS_PER_STREAM * streams, LEAST_REQUESTS)
                load = Load(concurrency=streams, requests=requests, warmup=streams)
                workload = Workload(inputs=INPUTS) if apis.encodes(name) else Workload(output_tokens=TOKENS)
                rows += _rows(f"{name} at c{streams}", measure_level(endpoint, workload, load), workload)
    return rows


def _base(name: str) -> str:
    path = apis.named(name).path("mock").partition("?")[0].removeprefix("/")
    return next(base for base in BASES if dialect_of(f"{base}/{path}"))


def _rows(subject: str, result: LevelResult, workload: Workload) -> list[Row]:
    """Return the errors of times by quantile, and how many requests have a wrong number of tokens."""
    found = derive(result.records, {}, result.span, workload.inputs)
    true = {"ttft": TTFT, "itl": ITL} if workload.inputs is None else {"e2e_latency": TTFT}
    rows = []
    for metric, value in true.items():
        errors_ms = np.abs(found[metric] - value) * 1000
        for quantile, bound in MOST_ERROR_MS.items():
            error = float(np.percentile(errors_ms, quantile))
            what = f"{subject}: error of {metric}, p{quantile} / the bound"
            rows.append(Row(what, "ms", error, bound, error / bound, at_most=1))
    wrong = sum(not _counts_are_right(record, workload) for record in result.records)
    return [*rows, Row(f"{subject}: requests with wrong token counts", "", wrong, None, wrong, at_most=0)]


def _counts_are_right(record: Record, workload: Workload) -> bool:
    if workload.inputs is None:
        return (record.prompt_tokens, record.output_tokens) == (workload.input_tokens, TOKENS)
    # A ranking counts its query, too.
    return record.prompt_tokens in (
        INPUTS * workload.input_tokens,
        INPUTS * workload.input_tokens + QUERY_WORDS,
    )
