from llm_measure.sweep import sweep
from tests.measured import answered, failed, in_a_row_level, level


def test_the_concurrency_doubles_until_throughput_stops_growing():
    rates = {1: 10.0, 2: 19.0, 4: 30.0, 8: 30.5, 16: 99.0}

    results = list(sweep(lambda streams: in_a_row_level(streams, rates[streams])))

    assert [result.load.concurrency for result in results] == [1, 2, 4, 8]


def test_a_level_that_is_not_valid_is_the_last():
    results = list(sweep(lambda streams: in_a_row_level(streams, streams * 10.0, valid=streams < 4)))

    assert [result.load.concurrency for result in results] == [1, 2, 4]


def test_a_level_with_many_failures_is_the_last():
    (result,) = sweep(lambda streams: level([answered(0), *(failed(index) for index in range(1, 9))]))

    assert result.load.concurrency == 8
