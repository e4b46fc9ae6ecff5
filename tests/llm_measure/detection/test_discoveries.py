"""Many series at the same time."""

import numpy as np

from llm_measure.detection import false_discoveries


def found(*p_values: float) -> list[bool]:
    return false_discoveries(np.array(p_values), 0.01).tolist()


def test_a_single_series_is_judged_by_the_rate():
    assert found(0.01) == [True]
    assert found(0.011) == [False]


def test_one_of_many_needs_a_smaller_p_value():
    assert found(0.004, *[0.5] * 9) == [False] * 10
    assert found(0.001, *[0.5] * 9) == [True] + [False] * 9


def test_several_that_agree_support_each_other():
    assert found(0.004, 0.003, 0.002, 0.001, 0.9, 0.004) == [True, True, True, True, False, True]


def test_no_series_have_no_changes():
    assert found() == []
