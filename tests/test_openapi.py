"""The OpenAPI document says what the API does: checked by its own schema and by Schemathesis."""

import json
import re
import subprocess
import sys
from pathlib import Path

import jsonschema_rs
import pytest

from llm_measure.metrics import METRICS
from tests.support import KEY
from tests.web import RANKINGS, serving, show_run
from webapp import create_app
from webapp.errors import ErrorSchema
from webapp.settings import Settings

# Schemathesis sends more wrong keys than an address may in a minute.
PATIENT_GUNICORN = (
    sys.executable,
    "-c",
    "import webapp.auth as auth; auth.WRONG_KEYS_PER_MINUTE = 100_000;"
    " from gunicorn.app.wsgiapp import run; run()",
)
SCHEMATHESIS = Path(sys.executable).parent / "schemathesis"


@pytest.fixture(scope="module")
def app(server_environment):
    return create_app(Settings.from_env(server_environment))


@pytest.fixture(scope="module")
def document(app):
    return app.test_client().get("/openapi.json").json


def operations(document):
    return {
        path: item["get"]
        for path, item in document["paths"].items()
        if path.startswith("/api/") and "get" in item
    }


def all_operations(document):
    return [
        operation
        for path, item in document["paths"].items()
        if path.startswith("/api/")
        for operation in item.values()
        if isinstance(operation, dict)
    ]


def resolve(document, reference):
    if "$ref" not in reference:
        return reference
    return document["components"]["schemas"][reference["$ref"].rpartition("/")[2]]


def test_it_is_openapi_3_1_and_each_schema_in_it_is_valid(document):
    assert document["openapi"].startswith("3.1.")
    assert document["info"]["title"]
    assert document["info"]["version"]
    for schema in document["components"]["schemas"].values():
        jsonschema_rs.Draft202012Validator(schema | {"components": document["components"]})


def test_every_route_of_the_api_is_in_it_and_nothing_else(document, app):
    routes = {
        re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/api/")
    }

    assert set(document["paths"]) == routes | {"/healthz", "/readyz", "/metrics"}


def test_each_endpoint_tells_summary_security_errors_and_its_etag(document):
    for path, operation in operations(document).items():
        assert operation["summary"]
        assert operation["operationId"]
        assert operation["security"] == [{"key": []}]
        assert {"200", "304", "401", "403", "422", "429", "503"} <= set(operation["responses"]), path
        assert "ETag" in operation["responses"]["200"]["headers"]
        assert "Retry-After" in operation["responses"]["429"]["headers"]
        assert "If-None-Match" in {parameter["name"] for parameter in operation["parameters"]}


def test_what_changes_something_tells_summary_security_and_errors(document):
    for operation in all_operations(document):
        assert operation["summary"]
        assert operation["operationId"]
        assert operation["security"] == [{"key": []}]
        assert {"401", "403", "422", "429", "503"} <= set(operation["responses"]), operation["operationId"]


def test_what_makes_something_tells_where_it_stands(document):
    for operation in all_operations(document):
        for code in {"201", "202"} & set(operation["responses"]):
            assert "Location" in operation["responses"][code]["headers"]


def test_each_error_has_the_one_shape_and_an_example_of_it(document):
    for operation in all_operations(document):
        for code, response in operation["responses"].items():
            if code.startswith(("4", "5")):
                content = response["content"]["application/json"]
                assert set(resolve(document, content["schema"])["properties"]) == set(ErrorSchema().fields)
                assert content["example"]["code"] == int(code)


def test_each_example_of_an_answer_is_valid_by_its_schema(document):
    for operation in operations(document).values():
        for content in operation["responses"]["200"]["content"].values():
            validator = jsonschema_rs.Draft202012Validator(
                content["schema"] | {"components": document["components"]}
            )
            if "example" in content:
                validator.validate(content["example"])


def test_each_field_says_what_it_is_and_gives_an_example_unless_it_holds_others(document):
    for name, schema in document["components"]["schemas"].items():
        if f'"#/components/schemas/{name}"' not in json.dumps(document):
            continue  # flask-smorest's own, which nothing here refers to
        for field, told in schema["properties"].items():
            holds_others = "$ref" in told or told.get("type") in ("array", "object")
            assert holds_others or (told["description"] and "example" in told), f"{name}.{field}"


def test_the_contracts_metrics_are_listed(document):
    (parameter,) = document["paths"][f"{RANKINGS}/{{metric_name}}"]["parameters"]

    assert parameter["schema"]["enum"] == [metric.name for metric in METRICS.simulated]


def test_the_key_is_a_header(document):
    assert document["components"]["securitySchemes"]["key"] == {
        "type": "apiKey",
        "in": "header",
        "name": "x-api-key",
    }


def test_schemathesis_finds_nothing(environment, folder, settings, redis):
    show_run(settings, redis, 1)
    with serving(environment, folder, command=PATIENT_GUNICORN) as server:
        done = subprocess.run(
            [SCHEMATHESIS, "run", f"{server.url}/openapi.json", "-H", f"x-api-key: {KEY}", "--checks", "all",
             "--max-examples", "30", "--seed", "1", "--no-color", "--generation-database", "none"],
            cwd=folder, capture_output=True, text=True, timeout=90, check=False,
        )  # fmt: skip

        assert done.returncode == 0, done.stdout
        assert "Traceback" not in server.log
