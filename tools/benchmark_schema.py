"""Write public/benchmark.schema.json, by which editors complete and check a benchmark file.

python -m tools.benchmark_schema

Fields and their limits come from the schemas of webapp.plan, their descriptions from the tables of
docs/benchmark-file.md. Draft 7 of JSON Schema, which all editors know: https://json-schema.org/draft-07
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, get_args

from marshmallow import Schema, fields, validate

from llm_measure import apis
from llm_measure.endpoint_checks import MAX_TOKENS_FIELDS
from llm_measure.metrics import METRICS, Kind
from webapp.plan import searches
from webapp.plan.fields import Drawn, Levels, Range
from webapp.plan.file_schema import FileSchema
from webapp.plan.llm_schema import LLMSchema
from webapp.plan.rules import RuleSchema
from webapp.plan.workload_schema import NOT_OF_TRACES, WorkloadSchema
from webapp.settings import ROOT

TARGET = ROOT / "public" / "benchmark.schema.json"
DOCUMENTATION = ROOT / "docs" / "benchmark-file.md"
SECTIONS: dict[str, type[Schema]] = {
    "Of an LLM:": LLMSchema,
    "Of a workload:": WorkloadSchema,
    "Of a rule of notifications:": RuleSchema,
}
ROW = re.compile(r"^\| (?P<names>`.+?`) \| (?P<meaning>.+) \|$", re.MULTILINE)
TYPES: dict[type[fields.Field], str] = {
    fields.Integer: "integer",
    fields.Float: "number",
    fields.Boolean: "boolean",
    fields.String: "string",
    fields.Dict: "object",
    fields.List: "array",
}

# What the Python code checks by functions, where a schema can check it, too.
OBJECTIVES = dict.fromkeys(name for kind in get_args(Kind) for name in METRICS.objectives(kind))
CHOICES: dict[str, dict[str, Any]] = {
    "api": {"enum": list(apis.names())},
    "max_tokens_field": {"enum": list(MAX_TOKENS_FIELDS)},
    "base_url": {"pattern": r"^http(s|\+unix)?://"},
    "proxy": {"pattern": "^(http://|none$)"},
    "token_command": {
        "anyOf": [
            {"type": "string", "minLength": 1},
            {"type": "array", "items": {"type": "string"}, "minItems": 1},
        ]
    },
    "regions": {"uniqueItems": True},
}
DISTRIBUTIONS = r"^([0-9.]+\.\.[0-9.]+|(log)?normal:[0-9.]+,[0-9.]+|file:.+)$"
HAS_KEY = {"anyOf": [{"required": ["api_key_env"]}, {"required": ["token_command"]}]}
SENDS_NOTHING = {"required": ["incidents"], "properties": {"incidents": {"const": False}}}
RULES: dict[type[Schema], list[dict[str, Any]]] = {
    LLMSchema: [
        {"dependencies": {"key_header": HAS_KEY, "key_scheme": HAS_KEY, "rank_insecure": ["insecure"]}},
        {"not": {"required": ["api_key_env", "token_command"]}},
    ],
    WorkloadSchema: [
        {"oneOf": [{"required": [name]} for name in ("trace", "concurrency", "rate", "find")]},
        {
            "anyOf": [
                {"required": ["trace"]},
                {"oneOf": [{"required": [name]} for name in ("requests", "duration", "find")]},
            ]
        },
        {
            "dependencies": {
                "arrival": ["rate"],
                "speed": ["trace"],
                "window": ["trace"],
                "prefixes": ["shared_prefix"],
                "find": ["slo"],
                "confidence": ["find"],
                "budget": ["find"],
            }
        },
        *({"not": {"required": ["trace", name]}} for name in NOT_OF_TRACES),
        {
            "if": {"required": ["find"]},
            "then": {
                "properties": {
                    **dict.fromkeys(searches.LEFT_OUT, False),
                    "slo": {
                        "minProperties": 1,
                        "propertyNames": {"pattern": f"^({searches.pattern(OBJECTIVES)})$"},
                    },
                }
            },
            "else": {"properties": {"slo": {"propertyNames": {"enum": list(OBJECTIVES)}}}},
        },
        {"not": {"required": ["dataset", "input_tokens"]}},
        {"not": {"required": ["inputs", "output_tokens"]}},
    ],
    RuleSchema: [
        {"dependencies": {"digest_hour": ["digest"]}},
        {"anyOf": [{"required": ["digest"]}, {"not": SENDS_NOTHING}]},
    ],
    FileSchema: [
        {
            "anyOf": [
                {"required": ["llms", "workloads"]},
                {"required": ["notify"], "properties": {"llms": False, "workloads": False}},
            ]
        }
    ],
}


def json_schema() -> dict[str, Any]:
    """Return the schema of a benchmark file."""
    found = descriptions(DOCUMENTATION.read_text())
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Benchmark file of LLM Benchmark",
        **_object(FileSchema(), found),
    }


def descriptions(text: str) -> dict[type[Schema], dict[str, str]]:
    """Return the description of each field in the documentation's tables, by schema."""
    found: dict[type[Schema], dict[str, str]] = {}
    for heading, schema in SECTIONS.items():
        table = text.partition(heading)[2].lstrip().partition("\n\n")[0]
        rows = ((re.findall(r"`(\w+)`", row["names"]), _plain(row["meaning"])) for row in ROW.finditer(table))
        found[schema] = {name: meaning for names, meaning in rows for name in names}
    return found


def _plain(markdown: str) -> str:
    return re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", markdown).replace("`", "")


def _object(schema: Schema, found: Mapping[type[Schema], Mapping[str, str]]) -> dict[str, Any]:
    properties = {}
    for name, field in schema.fields.items():
        text = found.get(type(schema), {}).get(name)
        described = {"description": text} if text else {}
        properties[name] = described | _value(field, found) | CHOICES.get(name, {})
    required = [name for name, field in schema.fields.items() if field.required]
    rules = RULES.get(type(schema), [])
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
        **({"required": required} if required else {}),
        **({"allOf": rules} if rules else {}),
    }


def _value(field: fields.Field, found: Mapping[type[Schema], Mapping[str, str]]) -> dict[str, Any]:
    """Return the schema of a field's values."""
    if isinstance(field, fields.Nested):
        return _object(field.schema, found)
    if isinstance(field, Levels):
        some = _value(field.levels, found) | {"uniqueItems": True}
        return {"anyOf": [some["items"], some]}
    if isinstance(field, Drawn):
        words = [{"enum": list(field.words)}] if field.words else []
        distribution = {"type": "string", "pattern": DISTRIBUTIONS}
        return {"anyOf": [_value(field.number, found), distribution, *words]}
    kind = next((name for known, name in TYPES.items() if isinstance(field, known)), None)
    value: dict[str, Any] = {"type": kind} if kind else {}
    if isinstance(field, fields.List):
        value["items"] = _value(field.inner, found)
    if isinstance(field, fields.Dict) and field.value_field:
        value["additionalProperties"] = _value(field.value_field, found)
    for validator in field.validators:
        value |= _limits(validator, kind)
    if isinstance(field.load_default, str | int | float):
        value["default"] = field.load_default
    if field.allow_none and kind:
        value["type"] = [kind, "null"]
    return value


def _limits(validator: Callable[[Any], Any], kind: str | None) -> dict[str, Any]:
    """Return what a validator demands; nothing for a function."""
    if isinstance(validator, Range):
        return {"minimum": validator.low, "maximum": validator.high}
    if isinstance(validator, validate.Regexp):
        return {"pattern": validator.regex.pattern.replace(r"\Z", "$")}
    if isinstance(validator, validate.OneOf):
        return {"enum": list(validator.choices)}
    if isinstance(validator, validate.Length):
        unit = "Items" if kind == "array" else "Length"
        ends = {f"min{unit}": validator.min, f"max{unit}": validator.max}
        return {name: end for name, end in ends.items() if end is not None}
    return {}


def text() -> str:
    """Return the file's content."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=True) + "\n"


if __name__ == "__main__":
    TARGET.write_text(text())
