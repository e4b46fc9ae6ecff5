"""The client finds the truth of servers that count, split, hide and buffer tokens as real ones do."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pytest

from llm_measure import apis
from llm_measure.client.level import measure_level
from llm_measure.endpoints import Endpoint
from llm_measure.load.inputs import QUERY_WORDS
from llm_measure.metrics import derive
from llm_measure.mock_server.behaviour import Behaviour
from llm_measure.mock_server.process import running_mock_server
from llm_measure.results import LevelResult
from llm_measure.workloads import Load, Workload

pytestmark = pytest.mark.moments

# A gap is so long that a delay of a millisecond is 5 %.
TTFT, ITL, TOKENS = 0.06, 0.02, 12
LATENCY = 0.2  # of an answer without a stream
LOAD = Load(concurrency=4, requests=8)
# By how much a figure may differ from the truth.
BOUNDS = {"ttft": 0.05, "tpot": 0.05, "tps": 0.05, "e2e_latency": 0.05, "output_throughput": 0.1,
          "itl p10": 0.3, "itl p50": 0.05, "itl p90": 0.3}  # fmt: skip
NOTHING: dict[str, object] = {}
EACH = {"stream_options": {"include_usage": True, "continuous_usage_stats": True}}


@dataclass(frozen=True)
class Truth:
    """What the server does, in seconds; gaps by their 10th, 50th and 90th percentile, if they are known."""

    load: Load = LOAD
    output_tokens: int = TOKENS
    ttft: float = TTFT
    tpot: float = ITL
    gaps: tuple[float, ...] = (ITL, ITL, ITL)
    e2e_latency: float = TTFT + (TOKENS - 1) * ITL

    def differing(self, result: LevelResult) -> dict[str, float]:
        """Return the figures that are wrong; NaN is."""
        found, true = figures(result), self.expected
        return {
            name: found[name]
            for name in true
            if not abs(found[name] - true[name]) <= BOUNDS[name] * true[name]
        }

    @property
    def expected(self) -> dict[str, float]:
        return {
            "ttft": self.ttft,
            "tpot": self.tpot,
            "tps": 1 / self.tpot,
            "e2e_latency": self.e2e_latency,
            "output_throughput": self.load.concurrency * self.output_tokens / self.e2e_latency,
            **dict(zip(("itl p10", "itl p50", "itl p90"), self.gaps, strict=False)),
        }


def figures(result: LevelResult) -> dict[str, float]:
    values = derive(result.records, {}, result.span)
    names = ("ttft", "tpot", "tps", "e2e_latency", "output_throughput")
    found = {name: percentile(values[name], 50) for name in names}
    return found | {f"itl p{percent}": percentile(values["itl"], percent) for percent in (10, 50, 90)}


def percentile(values: np.ndarray, percent: int) -> float:
    return float(np.percentile(values, percent)) if len(values) else np.nan


@contextmanager
def endpoint(api: str = "chat", **options: object) -> Iterator[Endpoint]:
    with running_mock_server(Behaviour(ttft=TTFT, itl=ITL, **options)) as url:
        yield Endpoint(url.removesuffix("/v1") if api == "azure" else url, "m", api)


@pytest.fixture(autouse=True)
def aws_credentials(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"):
        monkeypatch.setenv(name, "us-east-1")


def measured(
    endpoint: Endpoint, truth: Truth, output_tokens: int = TOKENS, extra_body: Mapping[str, object] = NOTHING
) -> LevelResult:
    """The last of a few levels, whose figures are each true in one of them at least.

    A busy machine may spoil any, but what the client gets wrong is wrong in all.
    """
    workload = Workload(output_tokens=output_tokens, timeout_s=5, extra_body=dict(extra_body))
    wrong = dict(truth.expected)
    for _ in range(6):
        result = measure_level(endpoint, workload, truth.load)
        for record in result.records:
            assert (record.error, record.output_tokens) == (None, truth.output_tokens)
        differing = truth.differing(result)
        wrong = {name: differing[name] for name in wrong if name in differing}
        if not wrong:
            break
    assert wrong == {}
    return result


STOPS = {"count_eos": True, "output_tokens": TOKENS}  # the server ends the answer, and counts that
WITH_EOS = Truth(output_tokens=TOKENS + 1, e2e_latency=TTFT + TOKENS * ITL)

CASES = {
    "a token a chunk": ({}, TOKENS, {}, Truth()),
    "role first": ({"role_first": True}, TOKENS, {}, Truth()),
    "end of sequence counted": (STOPS, 64, {}, WITH_EOS),
    "end of sequence in the count of each chunk": (STOPS, 64, EACH, WITH_EOS),
    "half characters withheld": ({"split_characters": "withheld"}, TOKENS, {}, Truth()),
    "half characters withheld, and the end counted": (
        {"split_characters": "withheld", **STOPS}, 64, {}, WITH_EOS
    ),
    "half characters empty": ({"split_characters": "empty"}, TOKENS, {}, Truth()),
    "half characters replaced": ({"split_characters": "replaced"}, TOKENS, {}, Truth()),
    # The second half of the last token comes half a gap after the first.
    "tokens in two chunks": (
        {"split_tokens": True}, TOKENS, {},
        Truth(gaps=(ITL / 2,) * 3, tpot=ITL * 11.5 / 11, e2e_latency=TTFT + 11.5 * ITL),
    ),
    # Without a count in each chunk, the length of its text decides how many tokens it has.
    "several tokens a chunk": ({"chunk_tokens": (1, 1, 2)}, TOKENS, {}, Truth(gaps=())),
    "several tokens a chunk, each counted": ({"chunk_tokens": (1, 1, 2)}, TOKENS, EACH, Truth()),
    "several tokens in the first chunk, too": (
        {"chunk_tokens": (4,)}, TOKENS, EACH, Truth(e2e_latency=TTFT + (TOKENS - 4) * ITL)
    ),
    "reasoning hidden": (
        {"reasoning": "hidden", "reasoning_tokens": 1000}, 1000 + TOKENS, {},
        Truth(output_tokens=1000 + TOKENS),
    ),
    "reasoning hidden, fewer tokens than the answer has letters": (
        {"reasoning": "hidden", "reasoning_tokens": 20}, 20 + TOKENS, {}, Truth(output_tokens=20 + TOKENS),
    ),
    "reasoning not counted": ({"reasoning": "uncounted", "reasoning_tokens": 8}, TOKENS, {}, Truth()),
    "reasoning streamed and counted": ({"reasoning_tokens": 8}, TOKENS, {}, Truth()),
    "zeros until the end": ({"usage": "zeros", **STOPS}, 64, {}, WITH_EOS),
    "no usage": ({"usage": "none"}, TOKENS, {}, Truth()),
}  # fmt: skip


# The other APIs differ in what their usage counts, and when: Gemini's in each chunk, and reasoning apart.
OF_APIS = {
    "chat": tuple(CASES),
    "messages": ("end of sequence counted", "reasoning hidden", "reasoning streamed and counted",
                 "zeros until the end", "no usage"),
    "gemini": ("end of sequence in the count of each chunk", "several tokens a chunk, each counted",
               "reasoning hidden", "reasoning streamed and counted", "no usage"),
    "responses": ("end of sequence counted", "reasoning hidden", "reasoning streamed and counted"),
    "bedrock": ("end of sequence counted", "tokens in two chunks", "reasoning streamed and counted"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("api", "options", "asked", "extra_body", "truth"),
    [
        pytest.param(api, *CASES[name], id=f"{api}, {name}")
        for api, names in OF_APIS.items()
        for name in names
    ],
)
def test_figures_are_the_truth(api, options, asked, extra_body, truth):
    with endpoint(api, **options) as server:
        measured(server, truth, asked, extra_body)


@pytest.mark.parametrize("streams", [1, 50])
@pytest.mark.parametrize("api", [name for name in apis.names() if not apis.encodes(name)])
def test_figures_are_the_truth_at_any_number_of_streams(api, streams):
    with endpoint(api) as server:
        result = measured(server, Truth(load=Load(concurrency=streams, requests=2 * streams)))

    assert {record.token_source for record in result.records} == {"usage"}


@pytest.mark.parametrize("streams", [1, 50])
@pytest.mark.parametrize(("api", "words"), [("embeddings", 8 * 32), ("rerank", 8 * 32 + QUERY_WORDS)])
def test_latency_and_rates_of_inputs_are_the_truth(api, words, streams):
    workload, load = Workload(inputs=8, input_tokens=32), Load(concurrency=streams, requests=3 * streams)
    rps = streams / LATENCY
    true = {"e2e_latency": LATENCY, "inputs_throughput": 8 * rps, "prompt_throughput": words * rps}
    wrong = dict(true)
    with running_mock_server(Behaviour(ttft=LATENCY)) as url:
        for _ in range(6):  # since a busy machine may spoil any level
            result = measure_level(Endpoint(url, "m", api), workload, load)
            assert {(record.error, record.prompt_tokens) for record in result.records} == {(None, words)}
            values = derive(result.records, {}, result.span, workload.inputs)
            found = {name: percentile(values[name], 50) for name in wrong}
            bounds = {name: true[name] * (0.05 if name == "e2e_latency" else 0.1) for name in wrong}
            wrong = {name: each for name, each in found.items() if abs(each - true[name]) > bounds[name]}
            if not wrong:
                break

    assert wrong == {}


def test_a_body_that_stays_open_ends_its_response_at_done():
    with endpoint(hold_open=60.0) as server:
        result = measured(server, Truth())

    assert result.duration_s < 2


def test_gaps_of_clumps_are_not_ranked_and_their_share_is_shown():
    # The first clump waits for its last token; tpot is what comes after its first.
    truth = Truth(ttft=TTFT + 3 * ITL, tpot=8 * ITL / 11, gaps=())
    with endpoint(buffer_chunks=4) as server:
        result = measured(server, truth)

    # On a busy machine the client reads any number late, and does not know whether those came together.
    known, unsure = result.chunks_together, result.chunks_read_late
    assert known - 1e-9 <= 9 / 11 <= known + unsure + 1e-9
    assert "of the chunks came together with the one before" in result.not_ranked["itl"]


def test_a_response_in_one_piece_has_no_pace():
    with endpoint(buffer_chunks=TOKENS) as server:
        result = measure_level(server, Workload(output_tokens=TOKENS), LOAD)

    values = derive(result.records, {}, result.span)
    assert [len(values[name]) for name in ("tpot", "itl", "tps")] == [0, 0, 0]
    assert result.chunks_together == 1
    assert "itl" in result.not_ranked
