"""The metrics: to add one, add its record here.

`elsewhere` is from the sources of vLLM (vllm bench serve, November 2026), GuideLLM 0.8.1 and AIPerf 0.13.0.
"""

from llm_measure.metrics import derivations as of
from llm_measure.metrics.record import Kind, Metric, Objective, Unit
from llm_measure.metrics.registry import MetricRegistry

SECONDS = Unit("s", "seconds", "seconds")
SECONDS_PER_TOKEN = Unit("s/token", "seconds per token", "seconds_per_token")
TOKENS = Unit("tokens", "tokens", "tokens")
TOKENS_PER_SECOND = Unit("tokens/s", "tokens per second", "tokens_per_second")
INPUTS_PER_SECOND = Unit("inputs/s", "inputs per second", "inputs_per_second")
REQUESTS_PER_SECOND = Unit("requests/s", "requests per second", "requests_per_second")
RATIO = Unit("ratio", "ratio from 0 to 1", "ratio")

ANY_KIND: tuple[Kind, ...] = ("generation", "encoding")

METRICS = MetricRegistry()

METRICS.register(
    Metric(
        id=1,
        name="ttft",
        title="Time to first token",
        unit=SECONDS,
        better="lower",
        formula="time from sending a request to its first token",
        derive=of.per_request(of.ttft),
        objective=Objective(of.ttft, required=True),
        simulated_range=(0.05, 2.0),
        note="The first chunk with content, reasoning or a tool call; a role alone does not count."
        " A response without a token has no ttft. Counted from sending the request on an open connection.",
        elsewhere={
            "vLLM": "from before a connection is taken or opened; a first chunk with the role alone counts.",
            "GuideLLM": "to the first chunk with content or reasoning; its TTFOT leaves reasoning out.",
            "AIPerf": "to the first chunk with content or reasoning, read when the event loop gets to it.",
        },
    )
)
METRICS.register(
    Metric(
        id=2,
        name="tps",
        title="Tokens per second",
        unit=TOKENS_PER_SECOND,
        better="higher",
        formula="output tokens after the first, over the time from the first token to the last",
        derive=of.per_request(of.tps),
        simulated_range=(10, 150),
        note="One value per request. All tokens in the first chunk count as the first.",
        elsewhere={
            "vLLM": "has none per request.",
            "GuideLLM": "output_tokens_per_second of a request divides all its tokens by its whole latency.",
            "AIPerf": "output_token_throughput_per_user: 1 / its inter token latency.",
        },
    )
)
METRICS.register(
    Metric(
        id=3,
        name="e2e_latency",
        title="End-to-end latency",
        unit=SECONDS,
        better="lower",
        formula="time from sending a request to the end of its response",
        derive=of.per_request(of.e2e_latency),
        objective=Objective(of.e2e_latency),
        simulated_range=(0.2, 10.0),
        kinds=ANY_KIND,
        note="To the last byte of the response, which comes after its last token.",
        elsewhere={
            "vLLM": "E2EL: to the last chunk before [DONE].",
            "GuideLLM": "request_latency: to the end of the response.",
            "AIPerf": "request_latency: to the last chunk with content.",
        },
    )
)
METRICS.register(
    Metric(
        id=4,
        name="rps",
        title="Requests per second",
        unit=REQUESTS_PER_SECOND,
        better="higher",
        formula="successful requests, over the time that the load was held",
        derive=of.rps,
        simulated_range=(1, 100),
        kinds=ANY_KIND,
        note="Closed loop: over the span in which at least 90 % of the streams had a request; one that is"
        " partly within it counts in part. Open loop: from the planned sending of the first measured request"
        " to the end of the last one.",
        elsewhere={
            "vLLM": "request_throughput: successful requests from the first sending to the last end.",
            "GuideLLM": "requests per second, where the total also counts failed and incomplete requests; its"
            " measured time leaves out warm-up and cool-down.",
            "AIPerf": "request_throughput: successful requests from the first sending to the last response.",
        },
    )
)
METRICS.register(
    Metric(
        id=11,
        name="ttfa",
        title="Time to first answer token",
        unit=SECONDS,
        better="lower",
        formula="time from sending a request to its first token that is no reasoning",
        derive=of.per_request(of.ttfa),
        objective=Objective(of.ttfa, required=True),
        note="The first chunk with content or a tool call. A response that ends within its reasoning has no"
        " ttfa. Without reasoning, it is the ttft.",
        elsewhere={
            "vLLM": "has none.",
            "GuideLLM": "TTFOT: to the first chunk with content.",
            "AIPerf": "time_to_first_output_token: to the first chunk that is no reasoning.",
        },
    )
)
METRICS.register(
    Metric(
        id=5,
        name="tpot",
        title="Time per output token",
        unit=SECONDS_PER_TOKEN,
        better="lower",
        formula="time from the first token to the last, over the output tokens after the first",
        derive=of.per_request(of.tpot),
        objective=Objective(of.if_streamed(of.tpot)),
        note="One value per request; the inverse of its tps.",
        elsewhere={
            "vLLM": "(E2EL - TTFT) / (output tokens - 1), in ms.",
            "GuideLLM": "time_per_output_token includes the first token: from sending to the last token, over"
            " all tokens.",
            "AIPerf": "has none of that name; its inter token latency is the same thing.",
        },
    )
)
METRICS.register(
    Metric(
        id=6,
        name="itl",
        title="Inter-token latency",
        unit=SECONDS,
        better="lower",
        formula="time from one token to the next; the tokens of one chunk count as evenly spaced",
        derive=of.itl,
        objective=Objective(of.if_streamed(of.longest_gap)),
        independent=False,  # the gaps of one response are alike
        note="One value per gap, over all requests. A chunk is a token unless it clearly holds more, whose"
        " gaps are then equal. An objective bounds a request's longest gap.",
        elsewhere={
            "vLLM": "each gap between chunks, regardless of the tokens in a chunk.",
            "GuideLLM": "one mean per request: (last token - first token) / (output tokens - 1).",
            "AIPerf": "one mean per request: (request latency - TTFT) / (output tokens - 1, or - those of"
            " the first chunk with --per-chunk-usage); its inter chunk latency is each gap between chunks.",
        },
    )
)
METRICS.register(
    Metric(
        id=7,
        name="output_throughput",
        title="Output throughput",
        unit=TOKENS_PER_SECOND,
        better="higher",
        formula="output tokens of successful requests, over the time that the load was held",
        derive=of.output_throughput,
        note="Reasoning counts, as it does in the server's usage.",
        elsewhere={
            "vLLM": "output_throughput; counts with the model's tokenizer if there is no usage.",
            "GuideLLM": "output tokens per second; the total also counts those of incomplete requests.",
            "AIPerf": "output_token_throughput; counts with a tokenizer unless --use-server-token-count.",
        },
    )
)
METRICS.register(
    Metric(
        id=13,
        name="total_throughput",
        title="Total throughput",
        unit=TOKENS_PER_SECOND,
        better="higher",
        formula="prompt and output tokens of successful requests, over the time that the load was held",
        derive=of.total_throughput,
        note="Prompt tokens count by the server's usage, cached ones included; without it, there is none.",
        elsewhere={
            "vLLM": "total_token_throughput; counts prompts with its own tokenizer.",
            "GuideLLM": "tokens per second; the total also counts those of incomplete requests.",
            "AIPerf": "total_token_throughput; counts with a tokenizer unless --use-server-token-count.",
        },
    )
)
METRICS.register(
    Metric(
        id=14,
        name="prefill_throughput",
        title="Prefill throughput",
        unit=TOKENS_PER_SECOND,
        better="higher",
        formula="prompt tokens that were not cached, over the time to first token",
        derive=of.per_request(of.prefill_throughput),
        note="One value per request, by the server's usage; none if the whole prompt was cached. The time to"
        " first token includes the way there and back and the wait in the server's queue, so the prefill"
        " itself is faster.",
        elsewhere={
            "vLLM": "has none.",
            "GuideLLM": "has none per request.",
            "AIPerf": "prefill_throughput_per_user: all prompt tokens, cached ones included, over TTFT.",
        },
    )
)
METRICS.register(
    Metric(
        id=17,
        name="cached_tokens",
        title="Cached prompt tokens",
        unit=TOKENS,
        better="higher",
        formula="tokens of the prompt that the server had in a cache",
        derive=of.per_request(of.cached_tokens),
        note="One value per request, only where the server reports it; vLLM does with"
        " --enable-prompt-tokens-details. Prompts are unique unless a prefix is shared, so otherwise only a"
        " chat template is cached.",
        elsewhere={
            "vLLM": "has none; its server's own metrics have a hit rate of the prefix cache.",
            "GuideLLM": "has none.",
            "AIPerf": "usage_prompt_cache_read_tokens: the same count, from the server's usage.",
        },
    )
)
METRICS.register(
    Metric(
        id=15,
        name="inputs_throughput",
        title="Inputs per second",
        unit=INPUTS_PER_SECOND,
        better="higher",
        formula="inputs of successful requests, over the time that the load was held",
        derive=of.inputs_throughput,
        kinds=("encoding",),
        note="Texts to embed, or documents to rank; the query of a ranking is none.",
        elsewhere={
            "vLLM": "has none; its request_throughput times the texts of a request.",
            "GuideLLM": "has none.",
            "AIPerf": "has none; its request_throughput times the texts of a request.",
        },
    )
)
METRICS.register(
    Metric(
        id=16,
        name="prompt_throughput",
        title="Prompt throughput",
        unit=TOKENS_PER_SECOND,
        better="higher",
        formula="prompt tokens of successful requests, over the time that the load was held",
        derive=of.total_throughput,
        kinds=("encoding",),
        note="By the server's usage alone; without it, there is none. A ranking counts as the server counts"
        " it: some repeat the query for each document.",
        elsewhere={
            "vLLM": "total_token_throughput; counts with its own tokenizer.",
            "GuideLLM": "prompt tokens per second.",
            "AIPerf": "total_token_throughput; counts with a tokenizer unless --use-server-token-count.",
        },
    )
)
METRICS.register(
    Metric(
        id=12,
        name="reasoning_share",
        title="Share of reasoning",
        unit=RATIO,
        better="lower",
        formula="reasoning tokens, over all output tokens",
        derive=of.per_request(of.reasoning_share),
        bounds=(0.0, 1.0),
        note="One value per request; none where the server neither counts nor streams reasoning. Reasoning"
        " that it streams and does not count has a token in each chunk. Lower is better since an answer then"
        " costs less waiting and fewer tokens; it says nothing about the quality of the answer.",
        elsewhere={
            "vLLM": "has none.",
            "GuideLLM": "has none.",
            "AIPerf": "reasoning_token_count: the number, not the share.",
        },
    )
)
METRICS.register(
    Metric(
        id=8,
        name="error_rate",
        title="Error rate",
        unit=RATIO,
        better="lower",
        formula="failed requests, over all requests",
        derive=of.error_rate,
        bounds=(0.0, 1.0),
        kinds=ANY_KIND,
        note="Requests that were cancelled by the client are left out.",
        elsewhere={
            "vLLM": "prints the number of failed requests.",
            "GuideLLM": "prints errored and incomplete requests separately.",
            "AIPerf": "request_error_rate, in percent.",
        },
    )
)
METRICS.register(
    Metric(
        id=9,
        name="slo_attainment",
        title="SLO attainment",
        unit=RATIO,
        better="higher",
        formula="requests that met every objective (SLO), over all requests, failed ones included",
        derive=of.slo_attainment,
        bounds=(0.0, 1.0),
        kinds=ANY_KIND,
        note="Only with --slo.",
        elsewhere={
            "vLLM": "has none; its request goodput is a rate.",
            "GuideLLM": "slo_attainment. Its tpot objective is judged by its inter-token latency.",
            "AIPerf": "good_request_fraction, failed requests included.",
        },
    )
)
METRICS.register(
    Metric(
        id=10,
        name="goodput",
        title="Goodput",
        unit=REQUESTS_PER_SECOND,
        better="higher",
        formula="requests that met every objective (SLO), over the time that the load was held",
        derive=of.goodput,
        kinds=ANY_KIND,
        note="Only with --slo.",
        elsewhere={
            "vLLM": "request_goodput: the same, in requests per second.",
            "GuideLLM": "conforming requests per second.",
            "AIPerf": "goodput: good requests per second.",
        },
    )
)
METRICS.register(
    Metric(
        id=19,
        name="valid_answers",
        title="Valid answers",
        unit=RATIO,
        better="higher",
        formula="answers that are what the workload expects, over all successful requests",
        derive=of.valid_answers,
        bounds=(0.0, 1.0),
        note="Only for workloads that expect a call of a tool or JSON: it must be complete, and right by the"
        " schema.",
        elsewhere={
            "vLLM": "has none; its benchmark for structured output prints the share of correct answers.",
            "GuideLLM": "has none.",
            "AIPerf": "has none.",
        },
    )
)
METRICS.register(
    Metric(
        id=18,
        name="capacity",
        title="Capacity",
        unit=REQUESTS_PER_SECOND,
        better="higher",
        formula="the greatest load that keeps to every objective (SLO)",
        derive=of.nothing,
        kinds=("search",),
        note="Only of a search (--find), which has no other metric. Where its loads count streams or"
        " conversations: the successful requests per second at the greatest load that certainly keeps to"
        " every objective. 0 if even the least load misses one.",
        elsewhere={
            "vLLM": "has none; bench sweep serve_sla of releases up to 0.15 searched by point values.",
            "GuideLLM": "has none; its sweep runs rates up to the greatest throughput, without an objective.",
            "AIPerf": "has none; its adaptive search looks for the concurrency with the most goodput.",
        },
    )
)
