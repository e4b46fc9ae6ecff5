"""What each metric means here, and how other tools' figures of that name differ: `flask measure --explain`."""

from webapp.metrics import METRICS

# Read in the sources of vllm bench serve 0.11, GuideLLM 0.8 and AIPerf 0.13.
ELSEWHERE: dict[str, dict[str, str]] = {}
