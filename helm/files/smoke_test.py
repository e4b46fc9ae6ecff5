"""Check a release from inside the cluster, as `helm test` does: the API at BASE, with the key in API_KEY."""

import json
import os
import urllib.error
import urllib.request

RANKINGS = "/api/v1/benchmarks/rankings"
METRICS = ["ttft", "tps", "e2e_latency", "rps"]


def get(path: str, key: str | None = None) -> tuple[int, dict]:
    """Return the status and the JSON body of a response, errors included."""
    headers = {"x-api-key": key} if key else {}
    request = urllib.request.Request(os.environ["BASE"] + path, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def check(what: str, passed: bool, response: object) -> None:
    """Print the outcome of a check; exit with the response if it failed."""
    print(f"{'passed' if passed else 'FAILED'}: {what}", flush=True)
    if not passed:
        raise SystemExit(f"response: {response}")


status, ready = get("/readyz")
check("the API is ready", status == 200, ready)
status, error = get(RANKINGS)
check("a request without a key gets 401", status == 401, (status, error))
status, rankings = get(RANKINGS, os.environ["API_KEY"].split(",")[0].strip())
ranked = [name for ranking in rankings.get("data", []) for name in ranking]
check("with the key, the rankings include every metric", (status, ranked) == (200, METRICS), rankings)
