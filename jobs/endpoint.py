"""The endpoint of a measurement as a worker asks it: with its secrets."""

from dataclasses import replace

from llm_measure.endpoints import Endpoint
from webapp.plan.measurement import Measurement
from webapp.settings import secret_variable


class MeasurementError(Exception):
    """A measurement failed; the message is one line, which is shown with the run."""


def with_secrets(measurement: Measurement) -> Endpoint:
    """Return the endpoint with its secrets, which are neither in the plan nor in the database.

    Raises MeasurementError if the worker does not have them.
    """
    key = secret_variable(measurement.api_key_env) if measurement.api_key_env else None
    if measurement.api_key_env and key is None:
        raise MeasurementError(f"environment variable {measurement.api_key_env}: not set in the worker")
    try:
        return replace(measurement.endpoint, api_key=key).with_variables(secret_variable)
    except ValueError as error:
        raise MeasurementError(f"{error} in the worker") from None


def late(measurement: Measurement) -> str:
    """Return why a level is not valid that took longer than it may."""
    return f"stopped after {measurement.longest_s} s, longer than all timeouts of its requests together"
