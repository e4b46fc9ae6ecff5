"""When to stop asking an endpoint, so that it keeps no worker from the others."""

from jobs.measure.client import Progress

# So many failures, and nothing else, are enough; or failures alone for so many timeouts.
HOPELESS_FAILURES = 10
HOPELESS_TIMEOUTS = 2


class GiveUp:
    """A level's `stop`: set when all that was asked has failed, for long or often enough, or when it is late.

    `longest_s` is how long the level may take. While something is under way that may yet be answered, many
    failures say nothing: a server may refuse what is above its limit, and answer the rest.
    """

    def __init__(self, timeout_s: float, longest_s: float):
        self._hopeless_s = HOPELESS_TIMEOUTS * timeout_s
        self._longest_s = longest_s
        self._hopeless = False
        self.is_late = False

    def watch(self, progress: Progress) -> None:
        """Take note of how far the level has come."""
        often = progress.failed >= HOPELESS_FAILURES and progress.sent == progress.ended
        enough = often or progress.elapsed_s > self._hopeless_s
        self._hopeless = enough and 0 < progress.failed == progress.ended
        self.is_late = progress.elapsed_s > self._longest_s

    def is_set(self) -> bool:
        """Whether to stop."""
        return self._hopeless or self.is_late
