"""Framings: how the events of a stream are found in the bytes of a response's body. Each is one module."""

from llm_measure.framing.base import ErrorData, EventLimitError, Framing, FramingError

__all__ = ["ErrorData", "EventLimitError", "Framing", "FramingError"]
