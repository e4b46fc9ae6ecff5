"""The fields of an LLM in a benchmark file, and their valid values."""

from collections.abc import Callable
from typing import Any

from marshmallow import ValidationError, fields, validate, validates_schema

from llm_measure.endpoints import Endpoint
from webapp.plan.fields import NAME, Command, StrictSchema, check_json, refused, variable

DEPENDENT_FIELDS = ("base_url", "model", "api", "max_tokens_field", "stream_usage")  # on one another


def _endpoint_field(name: str) -> Callable[[Any], None]:
    """Return a check of one of the endpoint's fields by the measuring library."""

    def check(value: Any) -> None:
        try:
            Endpoint(**{"base_url": "http://localhost", "model": "model", name: value})
        except ValueError as error:
            raise refused(error) from None

    return check


class LLMSchema(StrictSchema):
    """An LLM and where it is served."""

    name = fields.String(required=True, validate=NAME)
    company_name = fields.String(validate=NAME)
    provider = fields.String(validate=NAME)
    base_url = fields.String(required=True, validate=_endpoint_field("base_url"))
    model = fields.String(
        required=True,
        validate=[validate.Length(1, 200, error="must be 1 to 200 characters"), _endpoint_field("model")],
    )
    api = fields.String(load_default="chat", validate=_endpoint_field("api"))
    api_key_env = fields.String(load_default=None, validate=variable("key"))
    headers = fields.Dict(
        keys=fields.String(), values=fields.String(), validate=_endpoint_field("headers"), load_default=dict
    )
    key_header = fields.String(load_default=None, validate=_endpoint_field("key_header"))
    key_scheme = fields.String(load_default=None, validate=_endpoint_field("key_scheme"))
    max_tokens_field = fields.String(load_default="max_tokens", validate=_endpoint_field("max_tokens_field"))
    stream_usage = fields.Boolean(load_default=True)
    http2 = fields.Boolean(load_default=False)
    extra_body = fields.Dict(keys=fields.String(), validate=check_json, load_default=dict)
    token_command = Command(load_default=())
    ca_file = fields.String(load_default=None)
    client_cert = fields.String(load_default=None)
    client_key = fields.String(load_default=None)
    insecure = fields.Boolean(load_default=False)
    rank_insecure = fields.Boolean(load_default=False)
    proxy = fields.String(load_default=None, validate=_endpoint_field("proxy"))
    workloads = fields.List(fields.String())

    @validates_schema(pass_original=True, skip_on_field_errors=False)
    def check_key(self, data: Any, original: Any, **kwargs: Any) -> None:
        """Refuse options of a key where there is none, two keys, and a consent to nothing."""
        named = original if isinstance(original, dict) else {}
        faults = {}
        if not named.keys() & {"api_key_env", "token_command"}:
            lost = named.keys() & {"key_header", "key_scheme"}
            faults = {name: ["needs api_key_env or token_command"] for name in lost}
        if named.keys() >= {"api_key_env", "token_command"}:
            faults["token_command"] = ["expected either api_key_env or token_command"]
        if "rank_insecure" in named and "insecure" not in named:
            faults["rank_insecure"] = ["needs insecure"]
        if faults:
            raise ValidationError(faults)

    @validates_schema(skip_on_field_errors=True)
    def check_endpoint(self, data: dict[str, Any], **kwargs: Any) -> None:
        """Check options that apply to some APIs alone."""
        try:
            Endpoint(**{name: data[name] for name in DEPENDENT_FIELDS})
        except ValueError as error:
            raise refused(error) from None
