"""What the judging of a series' newest run has found, before it becomes part of incidents."""

from dataclasses import dataclass, field
from datetime import datetime

from webapp.store.series import Key, Verdict
from webapp.store.signals import NewSignal, SeriesSignal


@dataclass(frozen=True)
class Judged:
    """A series whose newest run says something new: its newest runs, newest first, and its signals."""

    key: Key
    verdicts: list[Verdict]
    signals: list[SeriesSignal]

    @property
    def slot(self) -> datetime:
        """The slot of the newest run."""
        return self.verdicts[0].slot

    @property
    def subject(self) -> str:
        """What an incident is about: the measured server, or the LLM if no server is known."""
        return self.verdicts[0].server or self.verdicts[0].llm_name

    def active(
        self, kind: str, metric_id: int | None = None, statistic: str | None = None
    ) -> SeriesSignal | None:
        """Return the active signal of that kind; None without one."""
        wanted = (kind, metric_id, statistic)
        for signal in self.signals:
            if not signal.ended_at and (signal.kind, signal.metric_id, signal.statistic) == wanted:
                return signal
        return None


@dataclass(frozen=True)
class Found:
    """A new signal, of the subject of an incident, with its likely cause if one is known."""

    subject: str
    signal: NewSignal
    cause: str | None


@dataclass
class Findings:
    """New signals, and the incidents whose present signals have changed."""

    new: list[Found] = field(default_factory=list)
    changed: set[int] = field(default_factory=set)
