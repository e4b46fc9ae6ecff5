"""One measured run, without a queue."""

import pytest

from jobs.measure.run import MeasurementError, run_measurement


def test_what_the_file_no_longer_declares_is_not_measured(environment, monkeypatch):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(MeasurementError, match="the benchmark file no longer declares Gone by chat@c8"):
        run_measurement("Gone", "chat@c8", 1)
