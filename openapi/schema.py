"""How this service's code reads as OpenAPI: its fields, its closed objects, its docstrings, its authentication."""

import re
from typing import Any

from django.conf import settings
from drf_spectacular.extensions import (
    OpenApiAuthenticationExtension,
    OpenApiSerializerExtension,
    OpenApiSerializerFieldExtension,
)
from drf_spectacular.openapi import AutoSchema

from streams.problems import MEDIA_TYPE
from streams.serializers import ID, USER_ID

PLAIN_TEXT = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$"
"""No control characters."""
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


class Schema(AutoSchema):
    """A docstring's first paragraph is the summary, the rest the description."""

    def get_summary(self) -> str:
        return " ".join(
            super().get_description().partition("\n\n")[0].split()
        ).removesuffix(".")

    def get_description(self) -> str:  # type: ignore[override]  # as drf-spectacular has it
        return re.sub(
            r"(?<!\n)\n(?!\n)", " ", super().get_description().partition("\n\n")[2]
        )

    def _is_list_view(self, serializer: Any = None) -> bool:
        return False  # the list of streams is an object with the list in it


class Closed(OpenApiSerializerExtension):
    """An object with the members it declares and no others: what operators send, and what is answered."""

    target_class = "streams.serializers.OperatorSerializer"
    match_subclasses = True

    def map_serializer(self, auto_schema: AutoSchema, direction: str) -> dict[str, Any]:
        schema: dict[str, Any] = auto_schema._map_serializer(
            self.target, direction, bypass_extensions=True
        )
        return schema | {"additionalProperties": False}


class Text(OpenApiSerializerFieldExtension):
    """Text without control characters."""

    target_class = "streams.serializers.TextField"
    match_subclasses = True

    def map_serializer_field(
        self, auto_schema: AutoSchema, direction: str
    ) -> dict[str, Any]:
        most = (
            {}
            if self.target.at_most_bytes is None
            else {"maxLength": self.target.at_most_bytes}
        )
        return {"type": "string", "pattern": PLAIN_TEXT} | most


class Id(OpenApiSerializerFieldExtension):
    """An id of a user, a stream or a device."""

    target_class = "streams.serializers.IdField"
    priority = 1

    def map_serializer_field(
        self, auto_schema: AutoSchema, direction: str
    ) -> dict[str, Any]:
        return dict(IDENTIFIER)


class Cosmetic(OpenApiSerializerFieldExtension):
    """Text for people: anything is taken."""

    target_class = "streams.serializers.CosmeticField"

    def map_serializer_field(
        self, auto_schema: AutoSchema, direction: str
    ) -> dict[str, Any]:
        return {
            "description": f"Text, cut to {self.target.at_most_bytes} bytes of UTF-8."
        }


class MetadataSchema(OpenApiSerializerFieldExtension):
    """A few facts of the operator's own."""

    target_class = "streams.serializers.MetadataField"

    def map_serializer_field(
        self, auto_schema: AutoSchema, direction: str
    ) -> dict[str, Any]:
        if direction == "request":
            return {
                "description": "An object of text, numbers and truth values: up to 8 names, 256 bytes in all."
            }
        return {
            "type": "object",
            "additionalProperties": {"type": ["string", "number", "boolean"]},
        }


class WhereSchema(OpenApiSerializerFieldExtension):
    """Which streams a rule counts."""

    target_class = "openapi.shapes.Where"

    def map_serializer_field(
        self, auto_schema: AutoSchema, direction: str
    ) -> dict[str, Any]:
        values = {"type": "array", "items": {"type": ["string", "number", "boolean"]}}
        return {"type": "object", "additionalProperties": values}


class Replace(OpenApiSerializerFieldExtension):
    """Streams to end for a start."""

    target_class = "streams.serializers.ReplaceField"

    def map_serializer_field(
        self, auto_schema: AutoSchema, direction: str
    ) -> dict[str, Any]:
        fields = {"id": IDENTIFIER, "epoch": {"type": ["integer", "null"]}}
        playback = {"type": "object", "properties": fields, "required": ["id"]}
        return {
            "type": "array",
            "items": {"oneOf": [IDENTIFIER, playback]},
            "maxItems": settings.MAX_LIMIT,
        }


class BearerScheme(OpenApiAuthenticationExtension):
    """Viewers."""

    target_class = "streams.authentication.BearerAuthentication"
    name = "bearer"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        what = "A viewer's token of the identity provider: `sub` is the user, `scope` what else it may do."
        return {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": what,
        }


class ApiKeyScheme(OpenApiAuthenticationExtension):
    """Back ends."""

    target_class = "streams.authentication.ApiKeyAuthentication"
    name = "apiKey"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        return {
            "type": "apiKey",
            "in": "header",
            "name": "X-API-Key",
            "description": "A back end's key.",
        }


ITS_IDS = {"userId": "$response.body#/userId", "id": "$response.body#/id"}
NEXT = {
    "heartbeat": {
        "operationId": "renewStream",
        "parameters": ITS_IDS,
        "requestBody": {"token": "$response.body#/token"},
    },
    "read": {"operationId": "readStream", "parameters": ITS_IDS},
    "stop": {
        "operationId": "stopStream",
        "parameters": ITS_IDS,
        "requestBody": {"token": "$response.body#/token"},
    },
}
"""What a player can do with a stream it was given, as OpenAPI's links."""


EACH_USER = "/users/{userId}"


def _own(operation: dict[str, Any]) -> dict[str, Any]:
    """The same operation for the user of the bearer token."""
    id = operation["operationId"]
    parameters = [
        parameter
        for parameter in operation["parameters"]
        if parameter["name"] != "userId"
    ]
    return operation | {
        "operationId": f"my{id[0].upper()}{id[1:]}",
        "parameters": parameters,
    }


def tidied(result: dict[str, Any], **context: Any) -> dict[str, Any]:
    """drf-spectacular's hook, for what it has no words for: refusals are described once and referred to, links say what
    comes after a start or a heartbeat, and its own marks on enums go."""
    refusals = result["components"]["responses"] = {}
    for item in result["paths"].values():
        for operation in item.values():
            operation.get("requestBody", {})["required"] = True
            for status, response in operation["responses"].items():
                for media_type, content in response.get("content", {}).items():
                    name = content["schema"]["$ref"].rpartition("/")[2]
                    if media_type == MEDIA_TYPE:
                        refusals[name] = response
                        operation["responses"][status] = {
                            "$ref": f"#/components/responses/{name}"
                        }
                    elif name in ("PlayerStream", "StartAnswer"):
                        response["links"] = NEXT
    for path, item in [*result["paths"].items()]:
        if path.startswith(EACH_USER):
            result["paths"]["/me" + path.removeprefix(EACH_USER)] = {
                method: _own(operation) for method, operation in item.items()
            }
    for schema in result["components"]["schemas"].values():
        for member in schema.get("properties", {}).values():
            member.pop("x-spec-enum-id", None)
    return result
