"""Bodies are changed by JSON Merge Patch: the examples of RFC 7396 whose target and patch are objects."""

import pytest

from llm_measure.json_merge import combined, merged, removal

EXAMPLES = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]


@pytest.mark.parametrize(("target", "patch", "result"), EXAMPLES)
def test_a_patch_is_applied_as_the_standard_says(target, patch, result):
    assert merged(target, patch) == result


@pytest.mark.parametrize("patch", [patch for _, patch, _ in EXAMPLES])
def test_a_combined_patch_does_what_both_do(patch):
    first, target = {"a": {"b": 1, "x": 2}, "c": 3}, {"a": {"b": 0, "y": 4}}

    assert merged(target, combined(first, patch)) == merged(merged(target, first), patch)


def test_a_field_within_an_object_is_removed():
    body = {"config": {"most": 5, "heat": 0}, "model": "m"}

    assert merged(body, removal(("config", "most"))) == {"config": {"heat": 0}, "model": "m"}
