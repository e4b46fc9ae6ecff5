"""How an endpoint counts the tokens of prompts, learned from two short requests before a measurement."""

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any

from llm_measure import apis
from llm_measure.client.asking import ask, with_key
from llm_measure.endpoints import Endpoint
from llm_measure.load.prompts import WORD_BY_WORD, Counting
from llm_measure.load.words import WORDS
from llm_measure.progress import Stop
from llm_measure.workloads import Workload

FIRST = "the"  # one token for nearly every tokenizer
# A prompt of one word, and one followed by every word that prompts are made of: the ratio is their mean.
SHORT, LONG = FIRST, " ".join((FIRST, *WORDS))
OUTPUT_TOKENS = 16  # the fewest that OpenAI's Responses API accepts as a maximum
TIMEOUT_S = 30.0
POLL_S = 0.1


def probe_prompts(endpoint: Endpoint, workload: Workload, stop: Stop | None = None) -> Counting:
    """Return how the endpoint counts the prompts of the workload; asks it twice, in half a minute at most.

    Where a dataset or `extra_body` brings the prompts, nothing is asked, nor where a query is counted with
    them. Once `stop` is set, the request in flight is cancelled. TokenError if the key is to come from a
    command and does not.
    """
    api = apis.named(endpoint.api)
    has_query = isinstance(api, apis.EncodingAPI) and api.compares
    if has_query or not endpoint.asked(workload).generates_prompts:
        return WORD_BY_WORD
    asked = replace(
        workload,
        trace=None,
        trace_window=None,
        inputs=workload.inputs and 1,
        output_tokens=min(round(workload.output_length.most), OUTPUT_TOKENS),
        timeout_s=min(workload.timeout_s, TIMEOUT_S / 2),
    )
    return asyncio.run(_unless_stopped(_probe(with_key(endpoint, stop), asked), stop))


async def _unless_stopped(probe: Coroutine[Any, Any, Counting], stop: Stop | None) -> Counting:
    task = asyncio.ensure_future(probe)
    while not task.done():
        await asyncio.wait((task,), timeout=POLL_S)
        if stop and stop.is_set():
            task.cancel()
    return Counting(problem="stopped") if task.cancelled() else task.result()


async def _probe(endpoint: Endpoint, workload: Workload) -> Counting:
    counted = []
    for prompt in (SHORT, LONG):
        record, _ = await ask(endpoint, workload, prompt)
        # An answer that is no text, such as hidden reasoning that was cut off, has its count as well.
        if not record.prompt_tokens:
            return Counting(problem=record.error_detail or "the endpoint reports no prompt tokens")
        counted.append(record.prompt_tokens)
    return counting_of(*counted)


def counting_of(short: int, long: int) -> Counting:
    """Return how an endpoint counts that found these numbers of tokens in the two prompts."""
    ratio = (long - short) / len(WORDS)
    if ratio <= 0:
        return Counting(problem=f"{short} tokens counted in a word, {long} in {len(WORDS) + 1}")
    return Counting(max(0, short - max(1, round(ratio))), ratio, probed=True)
