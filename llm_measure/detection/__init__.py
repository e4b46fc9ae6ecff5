"""Change detection: whether the level of a series of runs has changed, and when.

A run is one observation. All functions are pure; series are float64 arrays, oldest first, with the times of
their values in Unix seconds.
"""

from llm_measure.detection.change import Change
from llm_measure.detection.detector import detect, look

__all__ = ["Change", "detect", "look"]
