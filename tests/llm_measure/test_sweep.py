from dataclasses import replace

from llm_measure.results import LevelResult
from llm_measure.sweep import sweep
from llm_measure.workloads import Load
from tests.measured import SECOND, answered, failed, level


def at(concurrency: int, rate: float, invalid_reason: str | None = None) -> LevelResult:
    """A level of that concurrency with ten requests of each stream, at that rate."""
    records = [
        replace(
            answered(0), index=index, intended_ns=begin, end_ns=begin + round(concurrency / rate * SECOND)
        )
        for index in range(10 * concurrency)
        for begin in [round(index // concurrency * concurrency / rate * SECOND)]
    ]
    return replace(level(records, invalid_reason), load=Load(concurrency=concurrency, requests=len(records)))


def test_the_concurrency_doubles_until_throughput_stops_growing():
    rates = {1: 10.0, 2: 19.0, 4: 30.0, 8: 30.5, 16: 99.0}

    results = list(sweep(lambda concurrency: at(concurrency, rates[concurrency])))

    assert [result.load.concurrency for result in results] == [1, 2, 4, 8]


def test_throughput_that_still_grows_at_the_highest_concurrency_is_noted(monkeypatch):
    monkeypatch.setattr("llm_measure.sweep.MAX_CONCURRENCY", 4)
    notes = []

    results = list(sweep(lambda concurrency: at(concurrency, 10.0 * concurrency), lambda: notes.append("!")))

    assert [result.load.concurrency for result in results] == [1, 2, 4]
    assert notes == ["!"]


def test_nothing_is_noted_if_it_has_stopped_growing_there(monkeypatch):
    monkeypatch.setattr("llm_measure.sweep.MAX_CONCURRENCY", 4)
    rates = {1: 10.0, 2: 20.0, 4: 20.5}
    notes = []

    list(sweep(lambda concurrency: at(concurrency, rates[concurrency]), lambda: notes.append("!")))

    assert notes == []


def test_a_level_that_is_not_valid_is_the_last():
    reasons = {4: "the client was the limit"}

    results = list(sweep(lambda concurrency: at(concurrency, 10.0 * concurrency, reasons.get(concurrency))))

    assert [result.load.concurrency for result in results] == [1, 2, 4]


def test_a_level_with_many_failures_is_the_last():
    results = list(sweep(lambda concurrency: level([answered(0), *(failed(index) for index in range(1, 9))])))

    assert len(results) == 1
