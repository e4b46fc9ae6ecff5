"""What the options of `flask measure` ask for."""

import os
from typing import Any

from jobs.measure.workload import Endpoint, Load, Workload
from webapp.refusal import Refusal


def asked(options: dict[str, Any]) -> tuple[Endpoint, Workload, list[Load]]:
    """What the options come to; with --sweep, its first level. ValueError, Refusal if they do not fit."""
    for name in ("base_url", "model"):
        if not options[name]:
            raise Refusal(f"--{name.replace('_', '-')}: must be given")
    if options["save"] != bool(options["llm"]):
        raise Refusal("--save and --llm: must be given together")
    if options["dataset"] and (options["input_tokens"] or options["same_prompt"]):
        raise Refusal("--dataset: brings its own prompts; leave out --input-tokens and --same-prompt")
    endpoint = Endpoint(options["base_url"], options["model"], options["api"], key_of(options["api_key_env"]))
    workload = Workload(
        input_tokens=128 if options["input_tokens"] is None else options["input_tokens"],
        output_tokens=options["output_tokens"],
        dataset=options["dataset"],
        unique_prompts=not options["same_prompt"],
        seed=options["seed"],
        timeout_s=options["timeout"],
        slo=options["slo"],
        extra_body=options["extra_body"],
    )
    return endpoint, workload, _loads(options)


def key_of(variable: str | None) -> str | None:
    """The key in that environment variable, None without one named; Refusal if it is not set."""
    if variable is None:
        return None
    key = os.environ.get(variable, "").strip()
    if not key:
        raise Refusal(f"--api-key-env {variable}: there is no such environment variable, or it is empty")
    return key


def _loads(options: dict[str, Any]) -> list[Load]:
    given = [name for name in ("concurrency", "rate", "sweep") if options[name]]
    if len(given) > 1:
        raise Refusal(f"--{' and --'.join(given)}: give one of them")
    if options["arrival"] and not options["rate"]:
        raise Refusal("--arrival: only a --rate has one")
    if options["requests"] is not None and options["duration"] is not None:
        raise Refusal("--requests and --duration: give one of them")
    if options["rate"]:
        return [load(options, rate=rate) for rate in options["rate"]]
    return [load(options, concurrency=streams) for streams in options["concurrency"] or [1]]


def load(options: dict[str, Any], concurrency: int | None = None, rate: float | None = None) -> Load:
    """One level, with what the options leave open filled in."""
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
