"""Change detection: whether the level of a series of runs has changed, and when.

A run is one observation. All functions are pure; series are float64 arrays, oldest first, with the times of
their values in Unix seconds.
"""

from llm_measure.detection.change import Change
from llm_measure.detection.discoveries import false_discoveries
from llm_measure.detection.look import ALPHA, Look, look
from llm_measure.detection.replay import detect, online, watch
from llm_measure.detection.rhythm import Rhythm
from llm_measure.detection.shift import returned, shift

__all__ = [
    "ALPHA",
    "Change",
    "Look",
    "Rhythm",
    "detect",
    "false_discoveries",
    "look",
    "online",
    "returned",
    "shift",
    "watch",
]
