"""What our client finds in the answers of a mock server."""

from llm_measure.client.level import measure_level
from llm_measure.endpoints import Endpoint
from llm_measure.mock_server.behaviour import Behaviour
from llm_measure.mock_server.process import running_mock_server
from llm_measure.records import Record
from llm_measure.workloads import Load, Workload

VERSIONS = {"gemini": "v1beta"}  # at the end of an API's base URL; v1 by default


def records(api: str, behaviour: Behaviour, **workload: object) -> list[Record]:
    with running_mock_server(behaviour) as url:
        base = url.removesuffix("v1") + VERSIONS.get(api, "v1")
        endpoint = Endpoint(base, "m", api, api_key=behaviour.api_key)
        return measure_level(endpoint, Workload(**workload), Load(concurrency=1, requests=1)).records
