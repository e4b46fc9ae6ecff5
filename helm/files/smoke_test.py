"""What `helm test` runs in the cluster: asks the API at BASE with API_KEY."""

import json
import os
import urllib.error
import urllib.request

RANKINGS = "/api/v1/benchmarks/rankings"
METRICS = ["ttft", "tps", "e2e_latency", "rps"]


def get(path: str, key: str | None = None) -> tuple[int, dict]:
    """Status and JSON of an answer."""
    headers = {"x-api-key": key} if key else {}
    request = urllib.request.Request(os.environ["BASE"] + path, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def check(what: str, passed: bool, answer: object) -> None:
    """Say how a check ended; the first that fails ends the test."""
    print(f"{'passed' if passed else 'FAILED'}: {what}", flush=True)
    if not passed:
        raise SystemExit(f"answer: {answer}")


status, ready = get("/readyz")
check("the API is ready", status == 200, ready)
status, refusal = get(RANKINGS)
check("without a key it answers 401", status == 401, (status, refusal))
status, rankings = get(RANKINGS, os.environ["API_KEY"].split(",")[0].strip())
metrics = [name for ranking in rankings.get("data", []) for name in ranking]
check("with the key it ranks by all metrics", status == 200 and metrics == METRICS, (status, rankings))
