"""What each metric means here, and what other tools mean by that name: `flask measure --explain`."""

from textwrap import fill

from webapp.metrics import METRICS

WIDTH = 100

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
# Read in the sources of vLLM (vllm bench serve, November 2026), GuideLLM 0.8.1 and AIPerf 0.13.0.
ELSEWHERE: dict[str, dict[str, str]] = {
    "ttft": {
        "vLLM": "from before a connection is taken or made; a first chunk with the role alone counts, too.",
        "GuideLLM": "to the first chunk with content or reasoning; beside it, TTFOT leaves reasoning out.",
        "AIPerf": "to the first chunk with content or reasoning, read when the event loop comes to it.",
    },
    "tps": {
        "vLLM": "has none for each request.",
        "GuideLLM": "output_tokens_per_second of a request divides all its tokens by its whole latency.",
        "AIPerf": "output_token_throughput_per_user: 1 / its inter token latency.",
    },
    "e2e_latency": {
        "vLLM": "E2EL: to the last chunk that came before [DONE].",
        "GuideLLM": "request_latency: to the end of the answer.",
        "AIPerf": "request_latency: to the last chunk with content.",
    },
    "rps": {
        "vLLM": "request_throughput: right answers over the time from the first sending to the last end.",
        "GuideLLM": "requests per second counts failed and incomplete requests in the total, too, beside the"
        " successful ones; its measured time leaves warm-up and cool-down out.",
        "AIPerf": "request_throughput: right answers over first sending to last answer.",
    },
    "tpot": {
        "vLLM": "(E2EL - TTFT) / (output tokens - 1), in ms.",
        "GuideLLM": "time_per_output_token includes the first token: from the sending to the last token, over"
        " all tokens.",
        "AIPerf": "has none of that name; its inter token latency is it.",
    },
    "itl": {
        "vLLM": "each gap between chunks, however many tokens a chunk holds.",
        "GuideLLM": "one mean for each request: (last token - first token) / (output tokens - 1).",
        "AIPerf": "one mean for each request: (request latency - TTFT) / (output tokens - 1, or - those of"
        " the first chunk with --per-chunk-usage); its inter chunk latency is each gap between chunks.",
    },
    "output_throughput": {
        "vLLM": "output_throughput; tokens are counted with the model's tokenizer if there is no usage.",
        "GuideLLM": "output tokens per second; those of incomplete requests count in the total.",
        "AIPerf": "output_token_throughput; counts with a tokenizer unless --use-server-token-count.",
    },
    "error_rate": {
        "vLLM": "prints the number of failed requests.",
        "GuideLLM": "prints errored and incomplete requests apart.",
        "AIPerf": "request_error_rate, in percent.",
    },
    "goodput": {
        "vLLM": "requests a second that met every objective; not a share.",
        "GuideLLM": "conforming requests a second; slo_attainment is the share. Its tpot objective is judged"
        " by its inter-token latency.",
        "AIPerf": "good requests a second; good_request_fraction is the share, failed ones included.",
    },
}


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
