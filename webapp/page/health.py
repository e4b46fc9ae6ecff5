"""Whether an LLM works, as the status page and badges say."""

from collections.abc import Iterable
from datetime import timedelta

from webapp.scenarios import split
from webapp.store.incidents import Incident

STATES = ("down", "degraded", "no data", "operational")  # worst first
# An LLM without a run that succeeded or failed in this time has no data.
SILENCE = timedelta(hours=24)


def health(
    llm_name: str,
    ongoing: Iterable[Incident],
    is_heard: bool,
    scenario: str | None = None,
    region: str | None = None,
) -> str:
    """Return one of STATES from the open incidents, of all scenarios or of one or a region.

    `is_heard` is about SILENCE.
    """
    kinds = {
        signal.kind
        for incident in ongoing
        for signal in incident.signals
        if signal.llm_name == llm_name
        and not signal.ended_at
        and scenario in (None, signal.scenario)
        and region in (None, split(signal.scenario).region)
    }
    if "down" in kinds:
        return "down"
    if kinds:
        return "degraded"
    return "operational" if is_heard else "no data"
