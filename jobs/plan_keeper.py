"""How a scheduler follows the benchmark file, and agrees with other schedulers on the plan.

The newest content that some scheduler sees wins. A file reaches machines at different times, as a ConfigMap
does, so a scheduler offers its content as the plan once, when it changes, and yields to what replaces it. One
that starts with another content than the plan's offers it only if no other scheduler still has the plan's.
"""

import logging
import time
from collections.abc import Sequence
from contextlib import suppress

from redis import Redis, RedisError

from webapp.plan.benchmark_file import BenchmarkFileError, parse, read_text
from webapp.plan.measurement import Measurement
from webapp.plan.rules import Rule
from webapp.plan.shared import Report, SharedPlan
from webapp.settings import Settings

logger = logging.getLogger(__name__)


class PlanKeeper:
    """What one scheduler knows of its file and of the plan."""

    def __init__(self, settings: Settings, redis: Redis):
        """Raise BenchmarkFileError if there is no right content, neither in the file nor in Redis."""
        self._settings = settings
        self._shared = SharedPlan(settings, redis)
        self._seen: str | None = None  # the last content, right or not, that may still be being written
        self._checked: str | None = None  # the last content that was checked
        self._own: str | None = None  # the last right content of the file
        self._has_changed = False  # since the start
        self._adopted: str | None = None  # the file's last content that was the plan
        self.faults: list[str] = []
        self._faulty_since = 0
        self.text: str | None = None  # of the plan; None without a benchmark file
        self._ignored: str | None = None  # another scheduler's plan that is wrong on this machine
        self.measurements: Sequence[Measurement] = ()
        self.rules: Sequence[Rule] = ()  # of notifications
        if settings.benchmark_file:
            self._begin()

    def look(self) -> None:
        """Read file and plan; call it every second. Raises redis.RedisError if Redis is unreachable."""
        if not self._settings.benchmark_file:
            return
        found = self._read()
        # A file that is not replaced but written again is seen half written: wait until it stays as it is.
        # A fault may lie outside the file: a dataset that is missing.
        if found == self._seen and (found != self._checked or self.faults):
            self._check(found)
        self._seen = found
        self._agree()
        if self.faults:
            self._shared.report(Report(len(self.faults), self._faulty_since))

    def _begin(self) -> None:
        self._seen = self._read()
        self._check(self._seen)
        if self._own is not None:
            self._follow(self._own)
            return
        with suppress(RedisError):
            if plan := self._shared.text():
                self._follow(plan)
        if self.text is None:
            raise BenchmarkFileError(self.faults)
        self._log_faults()

    def _read(self) -> str:
        """Return the file's content; of a file that cannot be read, one that is no plan."""
        try:
            return read_text(self._settings)
        except BenchmarkFileError:
            return ""

    def _check(self, text: str) -> None:
        """Take the content for the file's own if it is right; report its faults otherwise."""
        was_checked, self._checked = self._checked is not None, text
        try:
            text = text or read_text(self._settings)
            parse(self._settings, text)
        except BenchmarkFileError as error:
            self._note(error.faults)
            return
        if self.faults:
            logger.info("benchmark file: right again")
        self.faults, self._ignored = [], None
        self._has_changed |= was_checked and text != self._own
        self._own = text

    def _note(self, faults: list[str]) -> None:
        """Keep the faults, and log them if they are new and there is a plan to go by without the file."""
        if not self.faults:
            self._faulty_since = int(time.time())
        is_new, self.faults = faults != self.faults, faults
        if is_new and self.text is not None:
            self._log_faults()

    def _log_faults(self) -> None:
        for fault in self.faults:
            logger.error("benchmark file %s", fault)
        logger.error("benchmark file: ignored until it is right; the previous plan stays")

    def _agree(self) -> None:
        """Offer the file's content as the plan if it is newer, and follow the plan."""
        plan = self._shared.text()
        own = self._own
        if own is not None and own != plan and self._may_replace(plan):
            self._shared.put(own)
            self._shared.vouch(own)
            plan = own
        if own is not None and own == plan:
            self._adopted = own
            self._shared.hold(own)
        if plan is None and self.text is not None:  # Redis lost it, and the file is broken
            self._shared.put(self.text)
        elif plan not in (None, self.text, self._ignored):
            self._follow(plan)

    def _may_replace(self, plan: str | None) -> bool:
        if plan is None:
            return True
        if self._own == self._adopted:  # what has replaced it is newer
            return False
        return self._has_changed or not self._shared.is_held(plan)

    def _follow(self, text: str) -> None:
        """Plan what the content says, unless it is wrong on this machine, which may lack a dataset."""
        try:
            self.measurements, self.rules = parse(self._settings, text)
        except BenchmarkFileError as error:
            self._ignored = text
            if self.text is not None:
                logger.error("plan of another scheduler: ignored: %s", "; ".join(error.faults))
            return
        if self.text is not None:
            logger.info("benchmark file: changed, %d measurements", len(self.measurements))
        self.text = text
