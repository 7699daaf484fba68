"""Translates the fields, objects, docstrings and authentication of this service."""

import re
from typing import Any

from drf_spectacular.extensions import (
    OpenApiAuthenticationExtension,
    OpenApiSerializerExtension,
    OpenApiSerializerFieldExtension,
)
from drf_spectacular.openapi import AutoSchema

from streams.conf import settings
from streams.fields import (
    ID,
    MAX_EPOCH,
    MAX_METADATA_BYTES,
    MAX_METADATA_KEYS,
    METADATA_KEY,
    NO_ID,
    USER_ID,
)

PLAIN_TEXT = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$"
"""Text without control characters."""
USER_IDENTIFIER = {
    "type": "string",
    "pattern": f"^{USER_ID.pattern}$",
    "minLength": 1,
    "maxLength": 255,
}
IDENTIFIER = {
    "type": "string",
    "pattern": f"^{ID.pattern}$",
    "minLength": 1,
    "maxLength": 128,
}
OPTIONAL_IDENTIFIER = {
    "type": "string",
    "pattern": f"^(?: *|{ID.pattern})$",
    "maxLength": 128,
}
"""An id, or no text or blanks, which stand for no id."""
OWN_IDENTIFIER = IDENTIFIER | {
    "pattern": f"^(?!(?:{NO_ID.pattern})$){ID.pattern}$",
}
"""An id that names one player: not one of the texts that stand for no id."""
EPOCH_NUMBER = {
    "type": "integer",
    "format": "int64",
    "minimum": 0,
    "maximum": MAX_EPOCH,
}
"""Generators of clients read an integer without a format as one of 32 bits."""
SCALAR = {"anyOf": [{"type": "string"}, {"type": "number"}, {"type": "boolean"}]}
"""Not a list of types, which OpenAPI 3.0 does not have."""
SINGLE_LINE_BREAK = re.compile(r"(?<!\n)\n(?!\n)")


class Schema(AutoSchema):
    """Reads the summary from a docstring's first paragraph, the description from the
    others.
    """

    def get_summary(self) -> str:
        summary, _, _ = super().get_description().partition("\n\n")
        return " ".join(summary.split()).removesuffix(".")

    def get_description(self) -> str:  # type: ignore[override]  # as drf-spectacular has it
        _, _, description = super().get_description().partition("\n\n")
        return SINGLE_LINE_BREAK.sub(" ", description)

    def _is_list_view(self, serializer: Any = None) -> bool:
        return False  # the list of streams is an object that contains a list


class ClosedObject(OpenApiSerializerExtension):
    """An operator's request: an object without other members."""

    target_class = "streams.serializers.OperatorSerializer"
    match_subclasses = True

    def map_serializer(self, auto_schema: AutoSchema, direction: str) -> dict[str, Any]:
        schema: dict[str, Any] = auto_schema._map_serializer(
            self.target, direction, bypass_extensions=True
        )
        return schema | {"additionalProperties": False}


class ClosedAnswer(ClosedObject):
    """An answer: an object without other members."""

    target_class = "streams.serializers.AnswerSerializer"
    match_subclasses = True


class Text(OpenApiSerializerFieldExtension):
    """Text without control characters."""

    target_class = "streams.fields.TextField"
    match_subclasses = True

    def map_serializer_field(
        self, auto_schema: AutoSchema, direction: str
    ) -> dict[str, Any]:
        schema = {"type": "string", "pattern": PLAIN_TEXT}
        if self.target.max_bytes is not None:
            schema["maxLength"] = self.target.max_bytes

        return schema


class Id(OpenApiSerializerFieldExtension):
    """The id of a stream or a device."""

    target_class = "streams.fields.IdField"
    priority = 1

    def map_serializer_field(
        self, auto_schema: AutoSchema, direction: str
    ) -> dict[str, Any]:
        return dict(IDENTIFIER)


class OptionalId(OpenApiSerializerFieldExtension):
    """An id that may be missing."""

    target_class = "streams.fields.OptionalIdField"
    priority = 2

    def map_serializer_field(
        self, auto_schema: AutoSchema, direction: str
    ) -> dict[str, Any]:
        return dict(OPTIONAL_IDENTIFIER)


class ContentId(OpenApiSerializerFieldExtension):
    """The id of content in a request.

    The service also accepts an integer. A document with both types would give a client
    of a typed language a class for it.
    """

    target_class = "streams.fields.ContentIdField"
    priority = 1

    def map_serializer_field(
        self, auto_schema: AutoSchema, direction: str
    ) -> dict[str, Any]:
        return {
            "type": "string",
            "pattern": PLAIN_TEXT,
            "maxLength": self.target.max_bytes,
        }


class Cosmetic(OpenApiSerializerFieldExtension):
    """Descriptive text. Every value is accepted."""

    target_class = "streams.fields.CosmeticField"

    def map_serializer_field(
        self, auto_schema: AutoSchema, direction: str
    ) -> dict[str, Any]:
        max_bytes = self.target.max_bytes
        return {"description": f"Text, truncated to {max_bytes} bytes of UTF-8."}


class Metadata(OpenApiSerializerFieldExtension):
    """Custom data of a stream. Every value is accepted in a request."""

    target_class = "streams.fields.MetadataField"

    def map_serializer_field(
        self, auto_schema: AutoSchema, direction: str
    ) -> dict[str, Any]:
        if direction == "request":
            limits = f"{MAX_METADATA_KEYS} keys, {MAX_METADATA_BYTES} bytes in total"
            return {
                "description": (
                    f"An object of texts, numbers and booleans: up to {limits}."
                )
            }
        return {
            "type": "object",
            "additionalProperties": SCALAR,
        }


class AttributeValues(OpenApiSerializerFieldExtension):
    """The attributes that a rule examines."""

    target_class = "streams.serializers.AttributeValuesField"

    def map_serializer_field(
        self, auto_schema: AutoSchema, direction: str
    ) -> dict[str, Any]:
        values = {"type": "array", "items": SCALAR}
        return {"type": "object", "additionalProperties": values}


class Replace(OpenApiSerializerFieldExtension):
    """Streams that a start ends."""

    target_class = "streams.fields.ReplaceField"

    def map_serializer_field(
        self, auto_schema: AutoSchema, direction: str
    ) -> dict[str, Any]:
        epoch = EPOCH_NUMBER | {"type": ["integer", "null"]}
        members = {"id": IDENTIFIER, "epoch": epoch}
        playback = {"type": "object", "properties": members, "required": ["id"]}
        return {
            "type": "array",
            "items": {"oneOf": [IDENTIFIER, playback]},
            "maxItems": settings.MAX_LIMIT,
        }


class Attributes(OpenApiSerializerFieldExtension):
    """Attributes of a stream that a ticket fixes."""

    target_class = "streams.fields.AttributesField"

    def map_serializer_field(
        self, auto_schema: AutoSchema, direction: str
    ) -> dict[str, Any]:
        text = {"type": "string", "minLength": 1}
        return {
            "type": "object",
            "properties": {"deviceId": IDENTIFIER, "deviceType": text},
            "patternProperties": {
                f"^metadata\\.{METADATA_KEY.pattern}$": {
                    "type": ["string", "number", "boolean"]
                }
            },
            "additionalProperties": False,
        }


class BearerScheme(OpenApiAuthenticationExtension):
    """Authentication of viewers."""

    target_class = "streams.authentication.BearerAuthentication"
    name = "bearer"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        return {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": (
                "A viewer's token from the identity provider. `sub` is the user, "
                "`scope` lists further permissions. Or a ticket of this service."
            ),
        }


class ApiKeyScheme(OpenApiAuthenticationExtension):
    """Authentication of back ends."""

    target_class = "streams.authentication.ApiKeyAuthentication"
    name = "apiKey"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        return {
            "type": "apiKey",
            "in": "header",
            "name": "X-API-Key",
            "description": "A back end's key.",
        }
