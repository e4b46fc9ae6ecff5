"""When to stop asking an endpoint, so that a dead one does not keep a worker from the others."""

from llm_measure.progress import Progress, Stop

# Enough to give up: this many failures and no success, or no success for this many timeouts.
FAILURES_ENOUGH = 10
TIMEOUTS_ENOUGH = 2


class GiveUp:
    """A level's `stop`: set when every request has failed, often or long enough, or when the level is late.

    `longest_s` is how long the level may take. While requests are in flight, many failures prove nothing: a
    server may refuse what exceeds its limit and respond to the rest.
    """

    def __init__(self, timeout_s: float, longest_s: float):
        self._hopeless_s = TIMEOUTS_ENOUGH * timeout_s
        self._longest_s = longest_s
        self._hopeless = False
        self.is_late = False

    def watch(self, progress: Progress) -> None:
        """Take the level's progress into account."""
        often = progress.failed >= FAILURES_ENOUGH and progress.sent == progress.ended
        enough = often or progress.elapsed_s > self._hopeless_s
        self._hopeless = enough and 0 < progress.failed == progress.ended
        self.is_late = progress.elapsed_s > self._longest_s

    def is_set(self) -> bool:
        """Return whether to stop."""
        return self._hopeless or self.is_late


class Refusals:
    """A `stop` for the command line: set when nothing but refusals came, or when another `stop` is.

    A wrong model name, key or URL needs no hundred requests to be seen. `enough` is the number of failures
    that are enough, if every request has failed alike, with a 4xx or without a connection; 0: never.
    """

    def __init__(self, enough: int, stop: Stop):
        self._enough, self._stop = enough, stop
        self.are_enough = False

    def watch(self, progress: Progress) -> None:
        """Take the level's progress into account; nothing is decided while requests are in flight."""
        is_idle = progress.sent == progress.ended
        self.are_enough = is_idle and 0 < self._enough <= progress.refused

    def is_set(self) -> bool:
        """Return whether to stop."""
        return self.are_enough or self._stop.is_set()
