"""Expected answers: which are right, and which schemas are refused."""

import json

import pytest

from llm_measure.expectations import NAME, SCHEMA, expectation
from llm_measure.workloads import Workload

WEATHER = '{"city": "Oslo", "temperature": 7.5, "unit": "celsius"}'


def test_a_text_is_not_checked():
    assert expectation(Workload()) is None


@pytest.mark.parametrize(
    ("text", "is_right"),
    [
        (WEATHER, True),
        (f"\n {WEATHER} \n", True),
        (WEATHER[:-1], False),
        (f"Here you are: {WEATHER}", False),
        (WEATHER.replace("celsius", "kelvin"), False),
        (WEATHER.replace("7.5", '"warm"'), False),
        (WEATHER.replace("7.5", "NaN"), False),
        ('{"city": "Oslo"}', False),
        ("[" * 100_000, False),
        ("", False),
    ],
)
def test_json_must_be_complete_and_right_by_the_schema(text, is_right):
    assert expectation(Workload(expects="json")).is_met(text, []) is is_right


@pytest.mark.parametrize(
    ("calls", "is_right"),
    [
        ([(NAME, WEATHER)], True),
        ([(NAME, WEATHER), (NAME, WEATHER)], True),
        ([(NAME, WEATHER), (NAME, "{}")], False),
        ([("other", WEATHER)], False),
        ([], False),
    ],
)
def test_each_call_must_be_one_of_the_tool(calls, is_right):
    assert expectation(Workload(expects="tool")).is_met(WEATHER, calls) is is_right


def test_a_file_may_bring_the_schema(tmp_path):
    file = tmp_path / "schema.json"
    file.write_text(json.dumps({"type": "object", "required": ["a"]}))

    expected = expectation(Workload(expects="json", answer_schema=str(file)))

    assert expected.is_met('{"a": 1}', [])
    assert not expected.is_met(WEATHER, [])
    assert expectation(Workload(expects="json")).schema == SCHEMA


def test_a_schema_may_refer_to_its_parts(tmp_path):
    file = tmp_path / "schema.json"
    of_a = {"properties": {"a": {"$ref": "#/$defs/a"}}, "$defs": {"a": {"type": "number"}}}
    file.write_text(json.dumps({"type": "object", **of_a}))

    expected = expectation(Workload(expects="json", answer_schema=str(file)))

    assert expected.is_met('{"a": 1}', [])
    assert not expected.is_met('{"a": "1"}', [])


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "cannot be read: No such file or directory$"),
        ("{", "not JSON"),
        ("[]", "must be a JSON schema of type object"),
        ('{"type": "object", "required": 5}', "not a JSON schema: 5 is not"),
        (
            '{"type": "object", "items": {"$ref": "#/$defs/a"}}',
            r"\$ref=#/\$defs/a: not found; expected a part",
        ),
        (
            '{"type": "object", "allOf": [{"$ref": "http://127.0.0.1:9/a"}]}',
            r"\$ref=http://127.0.0.1:9/a: not",
        ),
    ],
)
def test_a_wrong_schema_is_refused(tmp_path, content, problem):
    file = tmp_path / "schema.json"
    if content is not None:
        file.write_text(content)

    with pytest.raises(ValueError, match=f"answer_schema=.*schema.json: {problem}"):
        expectation(Workload(expects="tool", answer_schema=str(file)))
