"""llm_measure: measure how fast an LLM endpoint answers.

from llm_measure import Endpoint, Load, Workload, measure

result = measure(
    Endpoint("http://localhost:8000/v1", "my-model"),
    Workload(input_tokens=128, output_tokens=64),
    Load(concurrency=8, requests=40),
)
print(result.metrics["ttft"].p95)
"""

from llm_measure.endpoints import Endpoint
from llm_measure.measuring import Result, measure
from llm_measure.version import __version__
from llm_measure.workloads import Load, Workload

__all__ = ["Endpoint", "Load", "Result", "Workload", "__version__", "measure"]
