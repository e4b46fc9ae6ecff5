"""When to stop asking an endpoint, so that a dead one does not keep a worker from the others."""

from llm_measure.client.client import Progress

# This many failures, and nothing else, are enough; or failures alone for this many timeouts.
HOPELESS_FAILURES = 10
HOPELESS_TIMEOUTS = 2


class GiveUp:
    """A level's `stop`: set when every request has failed, often or long enough, or when the level is late.

    `longest_s` is how long the level may take. While requests are in flight, many failures say nothing: a
    server may refuse what exceeds its limit and answer the rest.
    """

    def __init__(self, timeout_s: float, longest_s: float):
        self._hopeless_s = HOPELESS_TIMEOUTS * timeout_s
        self._longest_s = longest_s
        self._hopeless = False
        self.is_late = False

    def watch(self, progress: Progress) -> None:
        """Take the level's progress into account."""
        often = progress.failed >= HOPELESS_FAILURES and progress.sent == progress.ended
        enough = often or progress.elapsed_s > self._hopeless_s
        self._hopeless = enough and 0 < progress.failed == progress.ended
        self.is_late = progress.elapsed_s > self._longest_s

    def is_set(self) -> bool:
        """Return whether to stop."""
        return self._hopeless or self.is_late
