"""What each metric means here, and what other tools mean by that name: `flask measure --explain`."""

from textwrap import fill

from webapp.metrics import METRICS

WIDTH = 100

# As found in the sources of vLLM 0.11 (vllm bench serve), GuideLLM 0.8 and AIPerf 0.13.
HERE = {
    "ttft": "The first chunk with content, reasoning or a tool call; a role alone is none. An answer without"
    " a token has no ttft. Counted from the sending of the request on an open connection.",
    "tps": "Of each request. Tokens that came in one chunk with the first count as the first.",
    "e2e_latency": "Up to the last byte of the answer, after its last token.",
    "rps": "From the first measured request's planned sending to the end of the last one.",
    "tpot": "Of each request; the inverse of its tps.",
    "itl": "Of each gap, over all requests. Chunks' tokens are the server's usage, spread by their length.",
    "output_throughput": "Reasoning counts, as it does in the server's usage.",
    "error_rate": "Requests that whoever measures has cancelled are left out.",
    "goodput": "Only with --slo; itl is judged by a request's slowest gap.",
}
ELSEWHERE: dict[str, dict[str, str]] = {}


def explain() -> str:
    """Some lines for each metric."""
    return "\n\n".join(_told(metric.name, metric.unit, metric.formula) for metric in METRICS)


def _told(name: str, unit: str, formula: str) -> str:
    lines = [f"{name} [{unit}]: {formula}.", HERE[name]]
    lines += [f"{tool}: {text}" for tool, text in ELSEWHERE.get(name, {}).items()]
    first, *others = (
        fill(line, WIDTH, initial_indent="  " if number else "", subsequent_indent="    ")
        for number, line in enumerate(lines)
    )
    return "\n".join((first, *others))
