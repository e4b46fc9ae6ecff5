"""What the page shows of a measured run, from its description."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from llm_measure.load.trace_formats import TITLES
from llm_measure.metrics import METRICS
from llm_measure.metrics.clumps import MAX_TOGETHER
from llm_measure.records import SECOND_NS
from webapp.capacity import bracket, is_throughput
from webapp.page.text import figure, percentage, whole

# Those of OpenAI's API; the page shows no other text of a server.
FINISH_REASONS = frozenset(("stop", "length", "tool_calls", "function_call", "content_filter"))
# Options of the connection; files and addresses are not for every visitor.
TRANSPORT = {
    "ca_file": "Separate CA",
    "client_cert": "Client certificate",
    "insecure": "TLS not verified",
    "proxy": "Separate proxy",
}
# A label, a value, and what the value means.
Fact = tuple[str, str, str]
COUNTED = "Of all successful requests, as the server counted them"


def warnings(measurement: dict[str, Any]) -> list[str]:
    """Return what makes the figures of a measured run say less, in a few words each."""
    together = measurement.get("chunks_together") or 0
    found = []
    if "insecure" in measurement.get("transport", ()):
        found.append("TLS not verified")
    if measurement.get("saturated"):
        found.append("Saturated")
    if together > MAX_TOGETHER:
        found.append(f"{percentage(together)} of chunks together")
    return found


def at_load(measurement: dict[str, Any]) -> str | None:
    """Return the load of which the capacity is the throughput; None where the load is the capacity."""
    find = measurement.get("find")
    return f"at {bracket(find)}" if find and is_throughput(find) and find["low"] else None


def _load(measurement: dict[str, Any]) -> Iterator[Fact]:
    """Yield what was sent, and how much of it was answered."""
    yield "Level", measurement["level"].capitalize(), "Load on the endpoint"
    yield "Requests", whole(measurement["requests"]), "Measured requests, without those of the warm-up"
    if trace := measurement.get("trace"):
        rows = f"{TITLES[trace['format']]}, {whole(trace['rows'])} requests"
        left_out = f", {whole(trace['left_out'])} left out" if trace["left_out"] else ""
        yield "Trace", rows + left_out, "Format of the file; requests without prompt or response are left out"
    errors = measurement["errors"]
    failed = sum(errors.values())
    classes = ", ".join(f"{name} {number}" for name, number in errors.items())
    ratio = f" ({percentage(failed / measurement['requests'])}): {classes}" if failed else ""
    yield "Failed", f"{whole(failed)}{ratio}", "Failed requests by class"
    yield "Duration", _seconds(measurement["duration_s"]), "From the first measured request to the last end"
    if span := measurement.get("span_ns"):
        begin, end = (moment / SECOND_NS for moment in span)
        meaning = "While the concurrency was held, or the whole level; rates per second are taken over it"
        yield "Span", f"{_seconds(end - begin)}, from {begin:.1f} s to {end:.1f} s", meaning
    for name, meaning in (("offered", "sent"), ("achieved", "answered")):
        if (rate := measurement.get(f"{name}_rate")) is not None:
            yield f"{name.capitalize()} rate", f"{figure(rate)} requests/s", f"Requests that were {meaning}"
    if "saturated" in measurement:
        saturated = "Yes" if measurement["saturated"] else "No"
        yield "Saturated", saturated, "Whether the answers fell behind the requests"


def _responses(measurement: dict[str, Any]) -> Iterator[Fact]:
    """Yield what the responses were like."""
    if "inputs" in measurement:
        yield "Inputs", whole(measurement["inputs"]), "Texts per request"
        yield _prompt_tokens(measurement)
    if "output_tokens" in measurement:
        yield _prompt_tokens(measurement)
        yield from _output_tokens(measurement)
    if (together := measurement.get("chunks_together")) is not None:
        meaning = "Chunks that came with the one before; above 10 %, itl is not ranked"
        yield "Chunks together", percentage(together), meaning
    if late := measurement.get("chunks_read_late"):
        meaning = "Chunks that the client read too late to know their moments; above 5 %, the run is invalid"
        yield "Chunks read late", percentage(late), meaning


def _prompt_tokens(measurement: dict[str, Any]) -> Fact:
    share = measurement["cached_share"]
    cached = "" if share is None else f", {percentage(share)} from a cache"
    return "Prompt tokens", f"{_asked_and_counted(measurement['prompt_tokens'])}{cached}", COUNTED


def _output_tokens(measurement: dict[str, Any]) -> Iterator[Fact]:
    """Yield the output tokens of the successful requests, and why they ended."""
    output = measurement["output_tokens"]
    yield "Output tokens", f"{_asked_and_counted(output)}, {whole(output['seen'])} seen", COUNTED
    sources = ", ".join(f"{name} {whole(number)}" for name, number in measurement["token_sources"].items())
    yield "Token counts", sources or "None", "The server's usage, or one token per chunk: requests of each"
    reasons: Counter[str] = Counter()
    for reason, number in measurement["finish_reasons"].items():  # of any text, as servers send it
        reasons[reason if reason in FINISH_REASONS else "other"] += number
    ends = ", ".join(f"{reason} {whole(number)}" for reason, number in reasons.items())
    yield "Finish reasons", ends or "None", "Why the server ended its answers"


def _asked_and_counted(tokens: dict[str, int | None]) -> str:
    numbers = ((tokens[name], name) for name in ("asked", "counted"))
    return ", ".join(f"{whole(number)} {name}" for number, name in numbers if number is not None) or "Unknown"


def _turns(measurement: dict[str, Any]) -> Iterator[Fact]:
    """Yield how later turns of conversations compare with first ones."""
    if "by_turn" not in measurement:
        return
    first, later = (measurement["by_turn"][name] for name in ("first", "later"))
    yield "Conversations", whole(measurement["conversations"]), "Whose turns the requests are"
    for name, figures in first.items():
        others = later[name]
        if figures["n"] and others["n"]:
            medians = f"{figure(figures['p50'])}, then {figure(others['p50'])} {figures['unit']}"
            yield METRICS[name].title, medians, "Median of first turns, then of later ones"


def _client(measurement: dict[str, Any]) -> Iterator[Fact]:
    """Yield whether the machine of the worker was busy."""
    seconds = measurement["duration_s"]
    if (waited := measurement.get("client_wait_s")) is not None:
        share = f" ({percentage(waited / seconds)} of the duration)" if seconds else ""
        meaning = "For a processor that other programs used; above 15 %, the run is invalid"
        yield "Client wait", f"{_seconds(waited)}{share}", meaning
    transport = measurement.get("transport", {})
    if shown := [text for name, text in TRANSPORT.items() if name in transport]:
        yield "Connection", ", ".join(shown), "How the endpoint was reached"
    if clock := measurement.get("clock"):
        yield "Clock", clock.capitalize(), "Whose clock says when responses arrived"
    if measurement.get("http_version") == "2":
        yield "HTTP", "2", "With a connection for each request in flight; most clients share one"
    yield "Client CPU", _seconds(measurement["client_cpu_s"]), "Processor time of the measuring client"
    lag = measurement["send_lag_ms"]
    lags = ", ".join(f"{name} {figure(lag[name])} ms" for name in ("p50", "p99", "max"))
    yield "Send lag", lags, "How late requests were sent"
    if shards := measurement.get("shards"):
        hosts = len({shard["host"] for shard in shards})
        machines = "one machine" if hosts == 1 else f"{whole(hosts)} machines"
        error = max(shard["begin_error_ms"] for shard in shards)
        meaning = "Workers that shared the level, and how far off the common begin one was at most"
        yield "Shards", f"{whole(len(shards))} on {machines}, begun within {figure(error)} ms", meaning


def _seconds(value: float) -> str:
    return f"{figure(value)} s"


PARTS = (("Load", _load), ("Responses", _responses), ("Turns", _turns), ("Client", _client))
