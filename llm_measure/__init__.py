"""Measure how fast an LLM endpoint responds.

from llm_measure import Endpoint, Load, Workload, measure

result = measure(
    Endpoint("http://localhost:8000/v1", "my-model"),
    Workload(input_tokens=128, output_tokens=64),
    Load(concurrency=8, requests=40),
)
print(result.metrics["ttft"].p95)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llm_measure.capacity import Capacity, Search
    from llm_measure.endpoints import Endpoint
    from llm_measure.measuring import Result, find_capacity, measure
    from llm_measure.workloads import Load, Workload

__version__ = "0.1.0"

__all__ = [
    "Capacity",
    "Endpoint",
    "Load",
    "Result",
    "Search",
    "Workload",
    "__version__",
    "find_capacity",
    "measure",
]

_MODULES = {
    "Capacity": "capacity",
    "Endpoint": "endpoints",
    "Load": "workloads",
    "Result": "measuring",
    "Search": "capacity",
    "Workload": "workloads",
    "find_capacity": "measuring",
    "measure": "measuring",
}


def __getattr__(name: str) -> Any:
    """Import a name's module on first use: a server that only reads `llm_measure.metrics` loads no client."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
