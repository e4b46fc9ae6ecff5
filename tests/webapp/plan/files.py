"""Benchmark files for tests."""

GOOD = """
    llms:
      - name: Fast
        base_url: http://127.0.0.1:9/v1
        model: fast
    workloads:
      - name: chat
        concurrency: 2
        requests: 10
"""

SEARCH = GOOD.replace(
    """concurrency: 2
        requests: 10
""",
    """find: rate
        slo: {"ttft:p95": 0.5, error_rate: 0.01}
        interval: 60
""",
)


def with_options(lines: str, scheme: str = "http:") -> str:
    """A benchmark file whose LLM has these options."""
    host = scheme if "//" in scheme else f"{scheme}//127.0.0.1:9"
    options = "\n        ".join(lines.strip("{}").split(", ") if lines.startswith("{") else [lines])
    return GOOD.replace("http://127.0.0.1:9", host).replace("model: fast", f"model: fast\n        {options}")
