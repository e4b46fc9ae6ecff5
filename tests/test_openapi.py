"""The OpenAPI document describes the API, as checked by JSON Schema and Schemathesis."""

import json
import re
import subprocess
import sys
from pathlib import Path

import jsonschema_rs
import pytest

from tests.support import KEY, dispose
from tests.web import RANKINGS, serving, show_run
from webapp import create_app
from webapp.errors import ErrorSchema
from webapp.settings import Settings

SCHEMATHESIS = Path(sys.executable).parent / "schemathesis"


@pytest.fixture(scope="module")
def app(server_environment):
    app = create_app(Settings.from_env(server_environment))
    yield app
    dispose(app)


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


def test_it_is_openapi_3_1_with_valid_schemas(document):
    assert document["openapi"].startswith("3.1.")
    assert document["info"]["title"]
    assert document["info"]["version"]
    for schema in document["components"]["schemas"].values():
        jsonschema_rs.Draft202012Validator(schema | {"components": document["components"]})


def test_it_has_every_route_of_the_api_and_no_other(document, app):
    routes = {
        re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/api/")
    }

    assert set(document["paths"]) == routes | {"/healthz", "/readyz", "/metrics"}


def test_each_get_has_summary_security_errors_and_etag(document):
    for path, operation in operations(document).items():
        assert operation["summary"]
        assert operation["operationId"]
        assert operation["security"] == [{"key": []}]
        assert {"200", "304", "401", "403", "422", "429", "503"} <= set(operation["responses"]), path
        assert "ETag" in operation["responses"]["200"]["headers"]
        assert "Retry-After" in operation["responses"]["429"]["headers"]
        assert "If-None-Match" in {parameter["name"] for parameter in operation["parameters"]}


def test_each_operation_has_summary_security_and_errors(document):
    for operation in all_operations(document):
        assert operation["summary"]
        assert operation["operationId"]
        assert operation["security"] == [{"key": []}]
        assert {"401", "403", "422", "429", "503"} <= set(operation["responses"]), operation["operationId"]


def test_each_operation_that_creates_something_has_a_location(document):
    for operation in all_operations(document):
        for code in {"201", "202"} & set(operation["responses"]):
            assert "Location" in operation["responses"][code]["headers"]


def test_each_error_has_the_common_schema_and_an_example(document):
    for operation in all_operations(document):
        for code, response in operation["responses"].items():
            if code.startswith(("4", "5")):
                content = response["content"]["application/json"]
                assert set(resolve(document, content["schema"])["properties"]) == set(ErrorSchema().fields)
                assert content["example"]["code"] == int(code)


def test_each_example_is_valid_by_its_schema(document):
    for operation in operations(document).values():
        for content in operation["responses"]["200"]["content"].values():
            validator = jsonschema_rs.Draft202012Validator(
                content["schema"] | {"components": document["components"]}
            )
            if "example" in content:
                validator.validate(content["example"])


def test_each_field_has_a_description_and_an_example(document):
    for name, schema in document["components"]["schemas"].items():
        if f'"#/components/schemas/{name}"' not in json.dumps(document):
            continue  # from flask-smorest, and unused here
        for field, parts in schema["properties"].items():
            is_container = "$ref" in parts or parts.get("type") in ("array", "object")
            assert is_container or (parts["description"] and "example" in parts), f"{name}.{field}"


def test_the_contracts_metrics_are_listed(document):
    (parameter,) = document["paths"][f"{RANKINGS}/{{metric_name}}"]["parameters"]

    assert parameter["schema"]["enum"] == ["ttft", "tps", "e2e_latency", "rps"]


def test_the_api_key_is_a_header(document):
    assert document["components"]["securitySchemes"]["key"] == {
        "type": "apiKey",
        "in": "header",
        "name": "x-api-key",
    }


def test_schemathesis_finds_nothing(environment, folder, settings, redis):
    show_run(settings, redis, 1)
    with serving(environment, folder, "tests.patient_app:app") as server:
        done = subprocess.run(
            [SCHEMATHESIS, "run", f"{server.url}/openapi.json", "-H", f"x-api-key: {KEY}", "--checks", "all",
             # DELETE archives an LLM, which can still be read.
             "--exclude-checks", "use_after_free",
             "--max-examples", "10", "--seed", "1", "--no-color", "--generation-database", "none"],
            cwd=folder, capture_output=True, text=True, timeout=150, check=False,
        )  # fmt: skip

        assert done.returncode == 0, done.stdout
        assert "Traceback" not in server.log
