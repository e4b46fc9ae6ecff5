"""What a reader of a level's figures must know, in words."""

from collections.abc import Iterator, Mapping
from typing import Any

from llm_measure.load.trace_formats import TITLES
from llm_measure.text import printable


def notes(level: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each; `level` is that of the JSON document."""
    yield from level["warnings"]
    for model, number in level["answered_by"].items():
        yield f"{number} of {level['requests']} requests were answered by another model: {printable(model)}."
    if level["retry_after"]["requests"]:
        yield _waits(level)
    if level["repeated_prompts"]:
        yield (
            f"{level['repeated_prompts']} of {level['requests']} requests repeat a prompt, since the dataset"
            " has fewer rows: the server may have answered them from a cache."
        )
    if "conversations" in level:
        turns = f"{level['requests']:,} requests are the turns of {level['conversations']:,} conversations"
        yield f"{turns}; rates per second include the time in which their users think."
    if "trace" in level:
        yield _trace(level)
    yield _span(level) if "concurrency" in level else _rates(level)
    for name, reason in level["not_ranked"].items():
        yield f"{name} is not ranked: {reason}."
    yield from _inputs(level) if "inputs" in level else _answers(level)
    waited_s, clock = level["client_wait_s"], level["clock"]
    yield f"The client waited {waited_s:.2g} s for a processor. Moments are by the {clock}'s clock."
    if level["http_version"] == "2":
        yield "Over HTTP/2, with a connection for each request in flight; most clients share one."


def counts(by_name: Mapping[str, int]) -> str:
    """Return how often each name occurs, in one line."""
    return ", ".join(f"{name} {number:,}" for name, number in by_name.items())


def _inputs(level: Mapping[str, Any]) -> Iterator[str]:
    """Yield the inputs of requests, and their tokens."""
    yield f"Inputs per request: {level['inputs']:,}."
    if level["prompt"]["probed"]:
        yield _counting(level["prompt"])
    if level["prompt_tokens"]["asked"] != 0:
        yield _prompt_tokens(level)


def _answers(level: Mapping[str, Any]) -> Iterator[str]:
    """Yield the tokens that were asked for, counted and seen, if any request was successful."""
    output = level["output_tokens"]
    if level["prompt"]["probed"]:
        yield _counting(level["prompt"])
    if level["token_sources"].get("chunks"):
        yield "Token counts are estimates: the server reports no usage, so each chunk counts as one token."
    if level["token_sources"]:
        yield _prompt_tokens(level)
        seen = f"{output['seen']:,} seen in {output['chunks']:,} chunks"
        yield f"Output tokens: {_asked_and_counted(output)}, {seen}."
    if level["finish_reasons"]:
        yield f"Finish reasons: {printable(counts(level['finish_reasons']))}."


def _prompt_tokens(level: Mapping[str, Any]) -> str:
    share = level["cached_share"]
    cached = "" if share is None else f", {share:.0%} of them cached"
    return f"Prompt tokens: {_asked_and_counted(level['prompt_tokens'])}{cached}."


def _counting(prompt: Mapping[str, Any]) -> str:
    """Return how the endpoint counts prompts, and so how long they are."""
    words = "" if prompt["words"] is None else f", so prompts have {prompt['words']:.4g} words on average"
    return (
        f"The endpoint counts {prompt['overhead']} tokens for its template and"
        f" {prompt['tokens_per_word']:.3g} per word{words}."
    )


def _asked_and_counted(tokens: Mapping[str, Any]) -> str:
    known = {name: "-" if tokens[name] is None else f"{tokens[name]:,}" for name in ("asked", "counted")}
    return f"{known['asked']} asked, {known['counted']} counted"


def _waits(level: Mapping[str, Any]) -> str:
    asked, waited_s = level["retry_after"]["requests"], level["retry_after"]["waited_s"]
    is_closed = "concurrency" in level
    wait = f"their streams waited {waited_s:.1f} s in all" if is_closed else "an open loop does not wait"
    return f"Requests that the endpoint asked to be sent again later (Retry-After): {asked}; {wait}."


def _trace(level: Mapping[str, Any]) -> str:
    trace, late_ms = level["trace"], level["send_lag_ms"]["p99"]
    left_out = f", {trace['left_out']:,} of them left out as failed" if trace["left_out"] else ""
    of_rows = f"of {trace['rows']:,} in a trace as {TITLES[trace['format']]} has it{left_out}"
    return f"{level['requests']:,} requests {of_rows}; p99 of their delay by the client: {late_ms:.2g} ms."


def _span(level: Mapping[str, Any]) -> str:
    begin, end = level["span_s"]
    return f"Rates per second are over {end - begin:.1f} s, from {begin:.1f} s to {end:.1f} s of the level."


def _rates(level: Mapping[str, Any]) -> str:
    offered, achieved = (_rate(level[name]) for name in ("offered_rate", "achieved_rate"))
    saturated = "; saturated: the answers fell behind the requests" if level["saturated"] else ""
    return f"Offered {offered}, achieved {achieved}{saturated}."


def _rate(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g} requests/s"
