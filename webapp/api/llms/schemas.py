"""What is sent and answered about LLMs."""

import unicodedata
from typing import Any

from marshmallow import Schema, fields, post_load, validate

from webapp.api.fields import count, flag, text, timestamp

MOST_CHARACTERS = 200
CONTROL = r"\x00-\x1f\x7f-\x9f"
# At least one character that is no space, and no control character anywhere.
SHOWABLE = rf"^[^{CONTROL}]*[^\s{CONTROL}][^{CONTROL}]*$"


class Name(fields.String):
    """A name of a few words: what is sent is checked, then trimmed."""

    default_error_messages = {  # noqa: RUF012  (marshmallow's own way)
        "character": "must hold no control character and no half of a surrogate pair"
    }

    def __init__(self, description: str, example: str, required: bool = False):
        checks = [
            validate.Length(1, MOST_CHARACTERS, error="must have {min} to {max} characters"),
            validate.Regexp(SHOWABLE, error="must hold something to see, and no control character"),
        ]
        metadata = {"description": description, "example": example}
        super().__init__(required=required, validate=checks, metadata=metadata)

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> str:
        """PostgreSQL takes no half of a surrogate pair, which JSON can spell; `$` lets a last newline by."""
        loaded: str = super()._deserialize(value, *args, **kwargs)
        if any(unicodedata.category(character) in ("Cc", "Cs") for character in loaded):
            raise self.make_error("character")
        return loaded


class Flag(fields.Boolean):
    """True or false and nothing that resembles them."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> bool:
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return value


class _Trimmed(Schema):
    @post_load
    def trim(self, data: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        """Spaces around a name are nobody's intent."""
        return {name: value.strip() if isinstance(value, str) else value for name, value in data.items()}


class NewLLMSchema(_Trimmed):
    """An LLM to add."""

    name = Name("Its name, unlike any other's", "GPT-4o", required=True)
    company_name = Name("Who made it", "openai", required=True)
    provider = Name("Who serves it; who made it if left out", "openai")


class LLMChangesSchema(_Trimmed):
    """What to change; the rest stays."""

    name = Name("Its new name, unlike any other's; its history goes with it", "GPT-4o")
    company_name = Name("Who made it", "openai")
    provider = Name("Who serves it", "azure")
    archived = Flag(
        metadata={"description": "true: out of runs and rankings; false: back in", "example": False}
    )


class LLMsQuery(Schema):
    """The query string."""

    archived = fields.String(
        load_default="false",
        validate=validate.OneOf(("true", "false"), error="must be one of {choices}"),
        metadata={"description": "true: the archived ones instead of the ranked", "example": "false"},
    )


class LLMSchema(Schema):
    """An LLM: a model as one provider serves it."""

    id = count("Its number", 1)
    name = text("Its name", "GPT-4o")
    company_name = text("Who made it", "openai")
    provider = text("Who serves it", "openai")
    archived = flag("Whether it is left out of runs and rankings", False)
    created_at = timestamp("When it was added")
    archived_at = timestamp("When it was archived; null if it is not", nullable=True)


class LLMsSchema(Schema):
    """LLMs by name."""

    generation = count("The generation of the data; raised by each change", 1_795_553_963_018_399)
    llms = fields.List(fields.Nested(LLMSchema), required=True)
