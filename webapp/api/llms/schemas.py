"""Requests and responses about LLMs."""

import unicodedata
from typing import Any

from marshmallow import Schema, fields, post_load, validate

from webapp.api.fields import count, flag, text, timestamp

MOST_CHARACTERS = 200
CONTROL = r"\x00-\x1f\x7f-\x9f"
# At least one character that is not a space, and no control characters.
SHOWABLE = rf"^[^{CONTROL}]*[^\s{CONTROL}][^{CONTROL}]*$"


class Name(fields.String):
    """A name, which is validated and then trimmed."""

    default_error_messages = {  # noqa: RUF012  (marshmallow's own way)
        "character": "must not contain control characters or unpaired surrogates"
    }

    def __init__(self, description: str, example: str, required: bool = False):
        checks = [
            validate.Length(1, MOST_CHARACTERS, error="must have {min} to {max} characters"),
            validate.Regexp(SHOWABLE, error="must contain a visible character, and no control characters"),
        ]
        metadata = {"description": description, "example": example}
        super().__init__(required=required, validate=checks, metadata=metadata)

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> str:
        # PostgreSQL cannot store unpaired surrogates; `$` in SHOWABLE lets a final newline pass.
        loaded: str = super()._deserialize(value, *args, **kwargs)
        if any(unicodedata.category(character) in ("Cc", "Cs") for character in loaded):
            raise self.make_error("character")
        return loaded


class Flag(fields.Boolean):
    """True or false, and none of the other values that marshmallow accepts."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> bool:
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return value


class _Trimmed(Schema):
    @post_load
    def trim(self, data: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        """Remove spaces around each text."""
        return {name: value.strip() if isinstance(value, str) else value for name, value in data.items()}


class NewLLMSchema(_Trimmed):
    """A new LLM."""

    name = Name("Unique name", "GPT-4o", required=True)
    company_name = Name("Company that made the LLM", "openai", required=True)
    provider = Name("Provider that serves the LLM; company_name by default", "openai")


class LLMChangesSchema(_Trimmed):
    """Changes to an LLM; omitted fields stay as they are."""

    name = Name("New unique name; the history stays with the LLM", "GPT-4o")
    company_name = Name("Company that made the LLM", "openai")
    provider = Name("Provider that serves the LLM", "azure")
    archived = Flag(
        metadata={
            "description": "true: exclude it from runs and rankings; false: restore it",
            "example": False,
        }
    )


class LLMsQuery(Schema):
    """The filters of the list of LLMs."""

    archived = fields.String(
        load_default="false",
        validate=validate.OneOf(("true", "false"), error="must be one of {choices}"),
        metadata={"description": "true: archived LLMs instead of ranked ones", "example": "false"},
    )


class LLMSchema(Schema):
    """An LLM: a model as one provider serves it."""

    id = count("Id", 1)
    name = text("Name", "GPT-4o")
    company_name = text("Company that made the LLM", "openai")
    provider = text("Provider that serves the LLM", "openai")
    archived = flag("Whether it is excluded from runs and rankings", False)
    created_at = timestamp("Time when it was added")
    archived_at = timestamp("Time when it was archived; null if it is not", nullable=True)


class LLMsSchema(Schema):
    """LLMs, ordered by name."""

    generation = count("Generation of the data, raised by each change", 1_795_553_963_018_399)
    llms = fields.List(fields.Nested(LLMSchema), required=True)
