"""What the options of llm-measure run ask for."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from llm_measure import apis
from llm_measure.capacity import Search
from llm_measure.cli.find import search_of
from llm_measure.cli.trace_options import check_trace_options
from llm_measure.client.model_list import only_model
from llm_measure.client.tls import check_files
from llm_measure.endpoints import TRANSPORT, Endpoint
from llm_measure.expectations import expectation
from llm_measure.find.objectives import check_objectives
from llm_measure.load.traces import trace_of
from llm_measure.workloads import Load, Workload

UNKNOWN = "unknown"  # the model's name until the endpoint is asked for it


def parse(options: dict[str, Any]) -> tuple[Endpoint, Workload, list[Load], Search | None]:
    """Return what to measure; with --sweep, its first level, with --find, what is searched for instead.

    ValueError for wrong options.
    """
    search = search_of(options)
    if options["dataset"] and (options["input_tokens"] is not None or options["same_prompt"]):
        raise ValueError("--dataset: brings its prompts; leave out --input-tokens and --same-prompt")
    check_trace_options(options)
    if options["with_records"] and options["format"] != "json":
        raise ValueError("--with-records: needs --format json")
    files = [options[name] for name in ("out", "records", "plot") if options[name]]
    if len(set(files)) < len(files):
        raise ValueError("--out, --records and --plot: expected different files")
    endpoint = endpoint_of(options)
    workload = Workload(
        input_tokens=128 if options["input_tokens"] is None else options["input_tokens"],
        output_tokens=128 if options["output_tokens"] is None else options["output_tokens"],
        inputs=_inputs(options),
        dataset=options["dataset"],
        unique_prompts=not options["same_prompt"],
        shared_prefix=options["shared_prefix"],
        prefixes=options["prefixes"],
        seed=options["seed"],
        timeout_s=options["timeout"],
        slo={} if search else options["slo"] or {},
        extra_body=options["extra_body"] or {},
        expects=options["expects"],
        answer_schema=options["answer_schema"],
        turns=options["turns"],
        think_time=0.0 if options["think_time"] is None else options["think_time"],
        trace=options["trace"],
        trace_window=options["window"],
    )
    expectation(workload)  # raises here what each request would raise
    endpoint.asked(workload)
    if search:
        check_objectives(search.slo, workload)
    loads = [] if search else _replays(options, workload) if workload.trace else _loads(options)
    if options["model"] is None:
        endpoint = replace(endpoint, model=only_model(endpoint))
    return endpoint, workload.seeded(), loads, search


def endpoint_of(options: dict[str, Any]) -> Endpoint:
    """Return the endpoint that the options describe, with UNKNOWN as the model if none is named."""
    if options["token_command"] and options["api_key"] is not None:
        raise ValueError("--api-key-env and --token-command: expected one of them")
    for name in ("key_header", "key_scheme"):
        if options[name] is not None and options["api_key"] is None and not options["token_command"]:
            raise ValueError(f"--{name.replace('_', '-')}: needs --api-key-env or --token-command")
    endpoint = Endpoint(
        base_url=options["base_url"],
        model=UNKNOWN if options["model"] is None else options["model"],
        api=options["api"],
        api_key=options["api_key"],
        headers=_headers(options["header"]),
        key_header=options["key_header"],
        key_scheme=options["key_scheme"],
        max_tokens_field=options["max_tokens_field"],
        stream_usage=not options["no_stream_usage"],
        **{name: options[name] for name in TRANSPORT},
        token_command=options["token_command"] or (),
    ).with_variables()
    check_files(endpoint)
    return endpoint


def _inputs(options: dict[str, Any]) -> int | None:
    """Return the number of inputs of a request; None for an API that generates. ValueError if it is wrong."""
    name = options["api"]
    encodes = apis.encodes(name)
    unsuitable = "output_tokens" if encodes else "inputs"
    if options[unsuitable] is not None:
        raise ValueError(f"--{unsuitable.replace('_', '-')}: does not apply to the {name} API")
    return (1 if options["inputs"] is None else options["inputs"]) if encodes else None


def _headers(given: Sequence[tuple[str, str]]) -> dict[str, str]:
    if len(dict(given)) < len(given):
        raise ValueError("--header: duplicate name; expected each header once")
    return dict(given)


def level_load(options: dict[str, Any], concurrency: int | None = None, rate: float | None = None) -> Load:
    """Return the load of one level, with defaults for what the options leave open."""
    requests, streams = options["requests"], concurrency or 0
    if requests is None and options["duration"] is None:
        requests = max(32, 4 * streams)
    return Load(
        concurrency=concurrency,
        rate=rate,
        arrival=options["arrival"] or "poisson",
        requests=requests,
        duration_s=options["duration"],
        warmup=streams if options["warmup"] is None else options["warmup"],
    )


def _replays(options: dict[str, Any], workload: Workload) -> list[Load]:
    """Return the levels of a trace, with the number of requests; DatasetError if it cannot be used."""
    rows = len(trace_of(workload))
    requests = rows if options["requests"] is None else min(options["requests"], rows)
    return [Load(speed=speed, requests=requests) for speed in options["speed"] or [1.0]]


def _loads(options: dict[str, Any]) -> list[Load]:
    given = [f"--{name}" for name in ("concurrency", "rate", "sweep") if options[name]]
    if len(given) > 1:
        raise ValueError(f"{' and '.join(given)}: expected one of them")
    if options["arrival"] and not options["rate"]:
        raise ValueError("--arrival: needs --rate")
    if options["requests"] is not None and options["duration"] is not None:
        raise ValueError("--requests and --duration: expected one of them")
    if options["rate"]:
        return [level_load(options, rate=rate) for rate in options["rate"]]
    return [level_load(options, concurrency=streams) for streams in options["concurrency"] or [1]]
