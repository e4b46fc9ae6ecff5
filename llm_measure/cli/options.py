"""What the options of llm-measure run ask for."""

import os
from typing import Any

from llm_measure.cli.errors import CommandError
from llm_measure.endpoints import Endpoint
from llm_measure.workloads import Load, Workload


def parse(options: dict[str, Any]) -> tuple[Endpoint, Workload, list[Load]]:
    """Return what to measure; with --sweep, its first level. ValueError or CommandError for wrong options."""
    for name in ("base_url", "model"):
        if not options[name]:
            raise CommandError(f"--{name.replace('_', '-')}: missing")
    if options["dataset"] and (options["input_tokens"] or options["same_prompt"]):
        raise CommandError("--dataset: brings its prompts; leave out --input-tokens and --same-prompt")
    if options["records"] and options["form"] != "json":
        raise CommandError("--records: needs --format json")
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
    """Return the key in that environment variable, None if none is named; CommandError if it is empty."""
    if variable is None:
        return None
    key = os.environ.get(variable, "").strip()
    if not key:
        raise CommandError(f"--api-key-env {variable}: environment variable not set or empty")
    return key


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


def _loads(options: dict[str, Any]) -> list[Load]:
    given = [name for name in ("concurrency", "rate", "sweep") if options[name]]
    if len(given) > 1:
        raise CommandError(f"--{' and --'.join(given)}: expected one of them")
    if options["arrival"] and not options["rate"]:
        raise CommandError("--arrival: needs --rate")
    if options["requests"] is not None and options["duration"] is not None:
        raise CommandError("--requests and --duration: expected one of them")
    if options["rate"]:
        return [level_load(options, rate=rate) for rate in options["rate"]]
    return [level_load(options, concurrency=streams) for streams in options["concurrency"] or [1]]
