from dataclasses import replace

import pytest
from hypothesis import given

from llm_measure.soundness import fault, refused
from tests.measured import ANY_RECORDS, answered, failed


@pytest.mark.parametrize("record", [answered(0), answered(1, tokens=1), failed(2)])
def test_a_record_as_measured_has_no_fault(record):
    assert fault(record) is None


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ({"output_tokens": -5}, "output_tokens=-5: out of range; expected 0 to 10000000"),
        ({"output_tokens": 1 << 999}, "output_tokens=a number of 1000 bits: out of range"),
        ({"end_ns": 0}, "end_ns=0: before last_token_ns; expected at least"),
        ({"chunk_tokens": [1]}, "chunk_tokens: 1 values; expected 5, as in chunk_offsets_ns"),
        ({"output_tokens": None}, "chunk_tokens: 5 in total; expected at most output_tokens=None"),
    ],
)
def test_a_fault_names_field_and_value(values, found):
    assert fault(replace(answered(0), **values)).startswith(found)


@given(ANY_RECORDS)
def test_a_refused_record_has_no_fault_whatever_it_claimed(record):
    assert fault(refused(record, "why")) is None


def test_a_refused_answer_is_neither_valid_nor_invalid():
    assert refused(replace(answered(0), answer_valid=True), "why").answer_valid is None
