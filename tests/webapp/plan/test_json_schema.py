"""public/benchmark.schema.json, and the example that shows every field."""

import json
import re
from collections.abc import Iterator

import pytest
import yaml
from jsonschema import Draft7Validator
from marshmallow import Schema, fields

from tests.webapp.plan import (
    test_benchmark_file,
    test_file_schema,
    test_llm_schema,
    test_rules,
    test_searches,
    test_workload_schema,
)
from tests.webapp.plan.files import GOOD
from tools.benchmark_schema import DOCUMENTATION, TARGET, descriptions, text
from webapp.plan.llm_schema import LLMSchema
from webapp.plan.rules import RuleSchema
from webapp.plan.workload_schema import WorkloadSchema
from webapp.settings import ROOT

EXAMPLE = (ROOT / "benchmark.example.yml").read_text()
CASES = [
    *test_benchmark_file.FAULTS,
    *test_file_schema.FAULTS,
    *test_llm_schema.FAULTS,
    *test_rules.FAULTS,
    *test_searches.FAULTS,
    *test_workload_schema.FAULTS,
]
# The faults that a schema can find; others are duplicates, names that refer to nothing, and files.
FINDABLE = re.compile(
    r"unknown field|missing|must be (?!at least|valid in JSON|a printable)|unknown provider API"
    r"|expected either|applies only|unknown objective|empty;|needs api_key_env"
    r"|duplicate (level|region)|expected one of max_tokens|needs digest|needs find|needs slo"
    r"|does not apply to a trace|needs trace"
)


@pytest.fixture(scope="module")
def validator() -> Draft7Validator:
    schema = json.loads(TARGET.read_text())
    Draft7Validator.check_schema(schema)
    return Draft7Validator(schema)


def names(schema: Schema) -> Iterator[str]:
    """The fields of a schema, and of those within it."""
    for name, field in schema.fields.items():
        yield name
        if isinstance(field, fields.Nested):
            yield from names(field.schema)


def test_it_is_up_to_date():
    assert TARGET.read_text() == text(), "run make schema"


@pytest.mark.parametrize("schema", [LLMSchema, WorkloadSchema, RuleSchema])
def test_every_field_is_documented(schema):
    assert descriptions(DOCUMENTATION.read_text())[schema].keys() == schema().fields.keys()


@pytest.mark.parametrize(
    ("schema", "place"), [(LLMSchema, "llms"), (WorkloadSchema, "workloads"), (RuleSchema, "notify")]
)
def test_the_example_shows_every_field(schema, place):
    (section,) = re.findall(rf"^{place}:.*\n((?: .*\n|\n)+)", EXAMPLE, re.M)
    shown = set(re.findall(r"^ +(?:# )?(?:- )?(\w+):", section, re.M))

    missing = [name for name in names(schema()) if name not in shown]
    assert not missing, f"benchmark.example.yml lacks {', '.join(missing)}"


def test_the_example_is_valid_and_names_the_schema(validator):
    assert not list(validator.iter_errors(yaml.safe_load(EXAMPLE)))
    (path,) = re.findall(r"^# yaml-language-server: \$schema=(.+)$", EXAMPLE.splitlines()[0])
    assert ROOT / path == TARGET


@pytest.mark.parametrize("text", [GOOD, "notify: [{target: A}]", GOOD + "    notify: [{target: A}]\n"])
def test_a_file_that_is_right_is_valid(validator, text):
    assert not list(validator.iter_errors(yaml.safe_load(text)))


@pytest.mark.parametrize(
    ("faulty", "fault"),
    [
        case
        for case in CASES
        if FINDABLE.search(case[1]) and not re.search(r"cannot|duplicate key|\[1\]: unknown", case[1])
    ],
)
def test_a_fault_that_a_schema_can_find_is_found(validator, faulty, fault):
    assert list(validator.iter_errors(yaml.safe_load(faulty)))
