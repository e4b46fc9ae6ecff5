"""Change detection: whether the level of a series of runs has changed, and when.

A run is one observation. All functions are pure; series are float64 arrays, oldest first, with the times of
their values in Unix seconds.
"""

from llm_measure.detection.change import Change
from llm_measure.detection.look import Look, false_discoveries, look, returned, shift

__all__ = ["Change", "Look", "false_discoveries", "look", "returned", "shift"]
