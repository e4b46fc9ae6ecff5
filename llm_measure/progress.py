"""How far a level has come, and what stops it early."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Progress:
    """The progress of a level."""

    sent: int
    ended: int
    failed: int
    elapsed_s: float
    refused: int = 0  # failures, if every request failed alike, with a 4xx or without a connection; else 0
    conversations: int = 0  # that have begun, where requests are turns of such


class Stop(Protocol):
    """A threading.Event or the like."""

    def is_set(self) -> bool:
        """Return whether to stop now."""
