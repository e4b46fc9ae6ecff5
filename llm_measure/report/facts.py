"""What describes a level but for its metrics, declared once for JSON, table, CSV and run API."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from llm_measure.report.by_turn import of_conversations
from llm_measure.report.doubts import warnings
from llm_measure.report.tokens import output_tokens, prompt_tokens
from llm_measure.results import LevelResult
from llm_measure.workloads import Workload

UNVERIFIED = "TLS was not verified (insecure): any server in between may have answered."
PARTIAL = "the figures are of the requests that had ended until then."
MOST_NAMES = 10  # of one kind that a report has; an endpoint may claim any number of finish reasons


def facts(workload: Workload, result: LevelResult) -> dict[str, Any]:
    """Return what is known of the level as a whole, as JSON has it."""
    measured = [record for record in result.records if not record.warmup]
    successful = [record for record in measured if record.error is None]
    prompt = prompt_tokens(workload, successful, result.lengths)
    return {
        **(asdict(result.rates) if result.rates else {}),
        **({"trace": asdict(result.trace)} if result.trace else {}),
        "requests": len(measured),
        "errors": _counts(record.error for record in measured),
        "started_at": result.started_at.isoformat(),
        "duration_s": result.duration_s,
        "transport": result.transport,
        "warnings": [
            *([f"Interrupted after {result.duration_s:.1f} s: {PARTIAL}"] if result.stopped else ()),
            *([UNVERIFIED] if result.insecure else ()),
            *warnings(workload, successful, result.counting, result.lengths),
        ],
        "client_cpu_s": result.client_cpu_s,
        "client_wait_s": result.client_wait_s,
        "clock": result.clock,
        "http_version": result.http_version,
        "send_lag_ms": asdict(result.send_lag),
        "repeated_prompts": result.repeated_prompts,
        "retry_after": asdict(result.retry_after),
        "answered_by": result.answered_by,
        "prompt": _prompt(workload, result),
        "prompt_tokens": asdict(prompt),
        "cached_share": prompt.cached_share,
        **of_conversations(workload, result),
        **(_of_streams(workload, result) if workload.inputs is None else {"inputs": workload.inputs}),
    }


def _of_streams(workload: Workload, result: LevelResult) -> dict[str, Any]:
    """Return what is known of the responses of APIs that generate."""
    measured = [record for record in result.records if not record.warmup]
    successful = [record for record in measured if record.error is None]
    return {
        "chunks_together": result.chunks_together,
        "chunks_read_late": result.chunks_read_late,
        "output_tokens": asdict(output_tokens(workload, successful, result.lengths)),
        "token_sources": _counts(record.token_source for record in successful),
        "finish_reasons": _counts(record.finish_reason for record in successful),
    }


def _prompt(workload: Workload, result: LevelResult) -> dict[str, Any]:
    """Return how the endpoint counts prompts, and how many words they have on average if that is known."""
    each, mean = workload.asked_prompt_tokens, None
    if each is not None:
        mean = each / (workload.inputs or 1)
    elif result.lengths and workload.asks_for_length:
        mean = result.lengths.input.mean
    return {
        **asdict(result.counting),
        "words": None if mean is None else result.counting.words(mean, workload.fewest_words),
    }


def _counts(names: Iterable[str | None]) -> dict[str, int]:
    """Return how often each name occurs, the most frequent first; None is no name."""
    return dict(Counter(filter(None, names)).most_common(MOST_NAMES))
