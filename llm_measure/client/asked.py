"""What was asked of an endpoint, by which its responses are judged."""

from dataclasses import dataclass

from llm_measure import apis
from llm_measure.apis.encoding import ONE, Wanted
from llm_measure.endpoints import Endpoint
from llm_measure.expectations import Expectation, expectation
from llm_measure.limits import MAX_TOKENS
from llm_measure.load.inputs import wanted
from llm_measure.load.requests import most_tokens
from llm_measure.workloads import Workload


@dataclass(frozen=True)
class Asked:
    """What was asked, for a response to be judged by."""

    model: str = ""
    url: str = ""  # shown with a 404
    most_tokens: int = MAX_TOKENS  # of output in addition to those that are seen; more are malformed
    wanted: Wanted = ONE  # of an API that encodes
    expected: Expectation | None = None  # of an answer in addition to being one

    @classmethod
    def of(cls, endpoint: Endpoint, workload: Workload) -> "Asked":
        """Return what is asked by the workload, which is as `Endpoint.asked` returns it.

        Raises DatasetError, and ValueError for a wrong schema.
        """
        return cls(
            model=str(workload.extra_body.get("model", endpoint.model)),
            url=endpoint.url(apis.named(endpoint.api).path(endpoint.model)),
            most_tokens=most_tokens(workload),
            wanted=wanted(endpoint, workload),
            expected=expectation(workload),
        )
